/** Integrations in a real store whose records change in every way, with listings by the index and by a look at each. */
import type { Principal } from '../../../src/callers/policy.ts'
import { NO_SECRETS } from '../../../src/credentials/credential.ts'
import { generateKeyring, keyringOf } from '../../../src/crypto/keyring.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { connectionOf } from '../../../src/custody/connection.ts'
import { createFrozenList } from '../../../src/freezes/frozen-list.ts'
import { createPinStore } from '../../../src/identity/pin-store.ts'
import { rememberSubject } from '../../../src/identity/subject.ts'
import type { Integration } from '../../../src/integrations/integration.ts'
import type { IntegrationEvents } from '../../../src/integrations/integration-events.ts'
import { createIntegrationStore } from '../../../src/integrations/integration-store.ts'
import { createCandidates } from '../../../src/integrations/listing/candidates.ts'
import { createIndexer } from '../../../src/integrations/listing/indexer.ts'
import { createListing } from '../../../src/integrations/listing/listing.ts'
import { integrationViewOf } from '../../../src/integrations/view.ts'
import { createEvents } from '../../../src/runtime/events.ts'
import type { ListingIndex } from '../../../src/store/listing/listing-index.ts'
import type { Outcomes } from '../../../src/store/store.ts'
import type { StoreEvents } from '../../../src/store/store-events.ts'
import { createLeaseStore } from '../../../src/tokens/serve/lease-store.ts'
import { createStatusReader } from '../../../src/tokens/serve/status.ts'
import { integrationOf, leaseOf } from '../../support/integrations.ts'
import { NO_FREEZES } from '../../support/no-freezes.ts'
import { testLog, testRuntime } from '../../support/runtime.ts'
import type { OpenStore } from '../../support/store-engines.ts'

export const ANYBODY: Principal = {
  ...{ id: 'admin', kind: 'admin', name: 'admin' },
  permits: [{ permission: 'integrations:read', integrations: ['*'], labels: {} }],
}

/** What a change makes of an integration. */
export interface Shape {
  readonly enabled: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly hasCredential: boolean
  readonly usesRefreshToken: boolean
  /** Milliseconds from now. */
  readonly certificateEndsIn: number
}

const DIGEST = 'd1'

export async function createListingWorld({ store, pass }: Pick<OpenStore, 'store' | 'pass'>) {
  const keyring = keyringOf(generateKeyring(Date.now()))
  const events = createEvents<IntegrationEvents & StoreEvents>()
  const integrations = createIntegrationStore({ records: store.integrations, keyring, events })
  const leases = createLeaseStore({
    ...{ outcomes: store.outcomes, keyring, freezes: NO_FREEZES },
    endFrozen: async () => undefined,
  })
  const pins = createPinStore(store.documents)
  let ahead = 0
  const learnTime = async () => {
    ahead = (await store.now()) - Date.now()
  }
  await learnTime()
  const now = () => Date.now() + ahead
  const runtime = testRuntime({ now, random: Math.random })
  let ids = 0
  const status = createStatusReader({
    ...{ store, leases, pins, freezes: NO_FREEZES, now },
    custody: {
      async state({ name, uid, loginUrl }, clientId, seed) {
        const { record } = await store.custody.read(name)
        return { ...connectionOf({ name, uid, loginUrl }, clientId, seed, record), family: null }
      },
    },
  })
  const indexerOn = (listing: Pick<ListingIndex, 'stale' | 'put' | 'build'>) =>
    createIndexer({
      ...{ listing, read: integrations.read, entryOf: status.entryOf },
      ...{ events, runtime, log: testLog() },
    })
  const listingWith = (find: ReturnType<typeof createCandidates>['find']) =>
    createListing({
      ...{ store: integrations, candidates: { find }, statusOf: status.statusOf },
      frozen: createFrozenList(NO_FREEZES),
      listed: async (integration, state) => integrationViewOf(integration, state),
    })
  const indexer = indexerOn(store.listing)
  const indexed = listingWith(createCandidates({ listing: store.listing, indexer }).find)
  const scanned = listingWith(async () => undefined)

  const written = async (name: string, change: (now: Integration) => Integration) => {
    const sealed = await integrations.readSealed(name)
    const integration = change(sealed?.integration ?? integrationOf({ name, uid: `u${++ids}` }))
    const write = { integration, digests: [DIGEST], secrets: NO_SECRETS }
    if (sealed) await integrations.change(sealed.integration, write)
    else await integrations.create(write)
  }

  const save = async (name: string, change: Parameters<Outcomes['save']>[2]) => {
    const look = await store.outcomes.look(name)
    if (look) await store.outcomes.save(name, look.integration, change)
    return look
  }

  return {
    ...{ indexer, indexerOn, indexed, scanned, status, integrations, learnTime, now },
    put: (name: string, shape: Shape) =>
      written(name, (former) => ({
        ...former,
        ...{ enabled: shape.enabled, labels: shape.labels },
        grant: {
          ...(shape.usesRefreshToken
            ? { type: 'refresh_token' as const }
            : { type: 'client_credentials' as const }),
          clientId: '3MVG9',
        },
        credentials: shape.hasCredential
          ? [
              {
                ...{ id: 'c', type: 'certificate', state: 'active', clientId: null },
                ...{ createdAt: 1, activatedAt: 1, retiresAt: null },
                certificate: {
                  ...{ subject: 'CN=a', serial: '1', fingerprintSha256: 'f', keyBits: 2048 },
                  ...{ pem: '', notBefore: 0, notAfter: now() + shape.certificateEndsIn },
                },
              },
            ]
          : [],
      })),
    async remove(name: string) {
      const integration = await integrations.read(name)
      if (integration) await integrations.remove(integration)
    },
    async mint(name: string, lifeMs: number, isFirst: boolean) {
      const look = await store.outcomes.look(name)
      if (!look) return
      const { uid, orev } = look.integration
      const token = new Secret(`token-${++ids}`)
      const lease = leaseOf({
        ...{ integration: name, uid, digest: DIGEST, accessToken: token, tokenId: `T${ids}` },
        expiresAt: now() + lifeMs,
      })
      await leases.save(lease, { integration: integrationOf(look.integration), orev }, null)
      if (isFirst) await rememberSubject(store.documents, lease)
    },
    async refuse(name: string, kind: 'propagating' | 'permanent', lifeMs: number) {
      const look = await store.outcomes.look(name)
      if (!look) return
      const members = { refusal: { class: kind, reason: `reason_${kind}` } }
      const body = { code: 'grant_refused', detail: 'No', status: 502, members }
      await save(name, {
        refusal: {
          body: JSON.stringify({ ...body, restUntil: now(), count: 1, at: now() }),
          version: look.integration.version,
          until: now() + lifeMs,
        },
      })
    },
    forget: store.outcomes.forgetRefusal,
    async revoke(name: string) {
      const lease = (await store.outcomes.look(name))?.outcome.lease
      if (lease) await store.outcomes.revoke(lease.tokenId, lease.expiresAt)
    },
    drop: (name: string) => save(name, { lease: null, refusal: null }),
    async see(name: string, isOther: boolean) {
      const integration = await integrations.read(name)
      if (!integration) return
      const identity = { orgId: '00D', userId: '005', instanceUrl: 'https://a' }
      const seen = isOther ? { ...identity, at: 1, version: integration.version } : null
      const pin = { uid: integration.uid, identity, scope: null, seen }
      await pins.write(name, pin, await pins.read(integration))
    },
    async connect(name: string, isLost: boolean) {
      const integration = await integrations.read(name)
      const { record } = await store.custody.read(name)
      if (!integration) return
      const { uid, loginUrl } = integration
      if (isLost) {
        if (record) await store.custody.kill(name, { ...record, reason: 'disconnected' })
        return
      }
      const body = JSON.stringify({ loginUrl, clientId: '3MVG9', seeds: [] })
      await store.custody.begin(name, {
        ...{ uid, expected: record?.family ?? null, family: `f${++ids}`, token: 'sealed' },
        ...{ reason: '', body, lookInMs: 3_600_000 },
      })
    },
    erase: store.archive.eraseIntegration,
    pass,
  }
}
