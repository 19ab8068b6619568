/** Status of an integration, which a read shows with its definition. */
import { activeOf } from '../../credentials/credential.ts'
import type { ConnectionState } from '../../custody/connection.ts'
import type { Custody } from '../../custody/custody.ts'
import { boundKeyOf } from '../../dpop/binding.ts'
import type { FreezeGate } from '../../freezes/freeze-gate.ts'
import { createFrozenList } from '../../freezes/frozen-list.ts'
import type { SeenIdentity } from '../../identity/identity.ts'
import type { PinStore } from '../../identity/pin-store.ts'
import { readSubject, type TokenSubject } from '../../identity/subject.ts'
import {
  clientIdOf,
  type Integration,
  presentsRefreshToken,
} from '../../integrations/integration.ts'
import type { FrozenList } from '../../integrations/listing/frozen.ts'
import { entryOf, type StateFacts, stateAt } from '../../integrations/state.ts'
import type { IntegrationStatus } from '../../integrations/status.ts'
import type { Budgets } from '../../store/budgets.ts'
import type { IndexEntry } from '../../store/listing/listing-index.ts'
import type { Documents, LeaseRecord, Look, Outcomes, RefusalRecord } from '../../store/store.ts'
import { HOUR_MS, loginBudgetKey } from '../mint/login-budget.ts'
import { lastRefusalOf } from '../mint/refusal-memory.ts'
import type { Lease } from './lease.ts'
import type { LeaseStore } from './lease-store.ts'

export interface StatusReader {
  /** For the listing index. Opens nothing. */
  entryOf(integration: Integration): Promise<IndexEntry>
  statusOf(integration: Integration): Promise<IntegrationStatus>
  readonly frozen: FrozenList
  /** Undefined: its grant uses no refresh token. */
  connectionOf(integration: Integration): Promise<ConnectionState | undefined>
}

interface StatusDependencies {
  readonly store: {
    readonly outcomes: Pick<Outcomes, 'look' | 'sharers'>
    readonly documents: Pick<Documents, 'read'>
    readonly budgets: Pick<Budgets, 'used'>
  }
  readonly leases: Pick<LeaseStore, 'open'>
  readonly pins: Pick<PinStore, 'read'>
  readonly custody: Pick<Custody, 'state'>
  readonly freezes: Pick<FreezeGate, 'of' | 'list'>
  readonly now: () => number
}

export function createStatusReader(dependencies: StatusDependencies): StatusReader {
  const { store, leases, pins, custody, freezes, now } = dependencies
  const { outcomes, documents, budgets } = store

  const liveLease = async (look: Look, record: LeaseRecord): Promise<Lease | undefined> => {
    const lease = await leases.open(look, record)
    return lease.expiresAt > now() ? lease : undefined
  }

  const connectionOf: StatusReader['connectionOf'] = async (integration) => {
    if (!presentsRefreshToken(integration)) return undefined
    const active = activeOf(integration.credentials)
    const clientId = clientIdOf(integration, active)
    return custody.state(integration, clientId, active?.refreshTokenId)
  }

  /** What is stored of it. */
  const find = async (integration: Integration) => {
    const { name, uid, version } = integration
    const [look, subject, { pin }, connection] = await Promise.all([
      outcomes.look(name),
      readSubject(documents, integration),
      pins.read(integration),
      connectionOf(integration),
    ])
    const refusal = look?.outcome.refusal
    return {
      ...{ look, subject, connection },
      record: look?.integration.uid === uid ? leaseIn(look) : undefined,
      seen: pin?.seen?.version === version ? pin.seen : null,
      refusal: refusal?.version === version ? refusal : undefined,
      last: refusal?.version === version ? lastRefusalOf(name, refusal) : undefined,
    }
  }

  return {
    frozen: createFrozenList(freezes),
    connectionOf,
    async entryOf(integration) {
      const found = await find(integration)
      const { record } = found
      return entryOf(integration, factsOf(found, record?.expiresAt), now())
    },
    async statusOf(integration) {
      const { name } = integration
      const [found, loginsLastHour, [freeze]] = await Promise.all([
        find(integration),
        budgets.used(loginBudgetKey(integration), HOUR_MS),
        freezes.of(integration),
      ])
      const { look, subject, seen, connection, last, record } = found
      const lease = look && record ? await liveLease(look, record) : undefined
      const sharers = lease ? await outcomes.sharers(lease.tokenId, SHARERS_MAX + 1) : undefined
      return {
        state: stateAt(integration, factsOf(found, lease?.expiresAt), now()),
        ...(freeze && {
          frozen: { id: freeze.id, since: freeze.since, reason: freeze.reason },
        }),
        connection: connection ?? null,
        sharesTokenWith: sharers?.names.filter((one) => one !== name).slice(0, SHARERS_MAX) ?? [],
        sharersCount: Math.max(0, (sharers?.count ?? 0) - 1),
        lease: lease
          ? {
              tokenId: lease.tokenId,
              issuedAt: lease.issuedAt,
              expiresAt: lease.expiresAt,
              refreshAt: lease.refreshAt,
              expirySource: lease.expirySource,
              ...(lease.proof !== undefined && { proof: lease.proof }),
              ...bindingOf(lease),
            }
          : null,
        lastRefusal: last?.refusal ?? null,
        identity: identityStatus(subject, seen),
        loginsLastHour,
        certificateExpiresAt: activeOf(integration.credentials)?.certificate?.notAfter ?? null,
      }
    },
  }
}

function bindingOf(lease: Lease) {
  if (!lease.dpop) return {}
  const keyThumbprint = boundKeyOf(lease)?.thumbprint
  return {
    bound: keyThumbprint !== undefined,
    ...(keyThumbprint !== undefined && { keyThumbprint }),
  }
}

/** Most integrations with the same token that a status names: an answer shows fewer, and not everybody may see each. */
const SHARERS_MAX = 100

/** The lease, if it is for the integration as it is now. */
function leaseIn({ integration, outcome }: Look): LeaseRecord | undefined {
  const { lease } = outcome
  return lease && integration.digests.includes(lease.digest) ? lease : undefined
}

/** The found records, as far as they decide the state. */
function factsOf(
  found: {
    readonly connection: ConnectionState | undefined
    readonly seen: SeenIdentity | null
    readonly subject: TokenSubject | undefined
    readonly refusal: RefusalRecord | undefined
    readonly last: ReturnType<typeof lastRefusalOf> | undefined
  },
  leaseUntil: number | undefined,
): StateFacts {
  const { connection, seen, subject, refusal, last } = found
  return {
    ...{ leaseUntil, isUnconnected: connection?.state === 'not_connected' },
    ...{ hasOtherIdentity: seen !== null, hasSubject: subject !== undefined },
    refusal: refusal &&
      last && {
        until: refusal.until,
        isPropagating: last.refusal.class === 'propagating',
        reason: String(last.refusal.reason ?? last.refusal.code),
      },
  }
}

/** The identity that is served, and the one that is not. */
function identityStatus(
  subject: TokenSubject | undefined,
  seen: SeenIdentity | null,
): IntegrationStatus['identity'] {
  if (!subject && !seen) return null
  return {
    orgId: subject?.orgId ?? null,
    userId: subject?.userId ?? null,
    instanceUrl: subject?.instanceUrl ?? null,
    ...(seen && {
      seen: {
        orgId: seen.orgId,
        userId: seen.userId,
        instanceUrl: seen.instanceUrl,
        at: new Date(seen.at).toISOString(),
      },
    }),
  }
}
