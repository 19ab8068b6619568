/** Integrations in a real store, for what rotates their credentials. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Actor, AuditEntry } from '../../src/audit/event.ts'
import type {
  Credential,
  CredentialSecrets,
  CredentialState,
} from '../../src/credentials/credential.ts'
import { generateKeyring, keyringOf } from '../../src/crypto/keyring.ts'
import { classify, grantRefused } from '../../src/grants/refusals/refusals.ts'
import { DEFAULTS, digestsOf, type Integration } from '../../src/integrations/integration.ts'
import type { IntegrationEvents } from '../../src/integrations/integration-events.ts'
import { createIntegrationStore } from '../../src/integrations/integration-store.ts'
import { createEvents } from '../../src/runtime/events.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'

export const BAD_SIGNATURE = grantRefused(
  classify({ error: 'invalid_grant', errorDescription: 'invalid assertion' }),
)

export const credential = (
  id: string,
  state: CredentialState,
  clientId: string | null = null,
): Credential => ({
  ...{ id, state, clientId, type: 'client_secret', createdAt: 1, certificate: null },
  activatedAt: state === 'active' ? 1 : null,
  retiresAt: state === 'retired' ? 1 : null,
})

export const integrationWith = (
  name: string,
  credentials: readonly Credential[],
  change: Partial<Integration> = {},
): Integration => ({
  ...DEFAULTS,
  ...{ name, uid: `uid of ${name}`, version: 1, labels: {}, credentials },
  loginUrl: 'https://acme.my.salesforce.com',
  grant: { type: 'client_credentials', clientId: 'blue' },
  identity: { pin: 'org_and_user' },
  credentialFrom: null,
  managedBy: 'api',
  createdAt: 1,
  updatedAt: 1,
  ...change,
})

export const secretsOf = (credentials: readonly Credential[]): CredentialSecrets => ({
  byId: Object.fromEntries(
    credentials.map(({ id }) => [id, { type: 'client_secret', clientSecret: `secret of ${id}` }]),
  ),
  known: [],
})

export async function openStore(t: Test, now: () => number = Date.now) {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-rotation-'))
  const records = createEmbeddedStore({ dataDir, now })
  t.teardown(async () => {
    await records.close()
    await rm(dataDir, { recursive: true })
  })
  const keyring = keyringOf(generateKeyring(Date.now()))
  const store = createIntegrationStore({
    records: records.integrations,
    keyring,
    events: createEvents<IntegrationEvents>(),
  })
  const put = async (integration: Integration, signsWith = integration.credentials) => {
    const digests = digestsOf(integration, signsWith)
    const { credentials } = integration
    await store.create({ integration, digests, secrets: secretsOf(credentials) })
  }
  const statesOf = async (name: string) =>
    Object.fromEntries(
      ((await store.read(name))?.credentials ?? []).map(({ id, state }) => [id, state]),
    )
  return { store, records, put, statesOf }
}

/** What was audited, and what was logged, by level. */
export function createWitness() {
  const audited: (AuditEntry & { readonly by: string | null })[] = []
  const logged: string[] = []
  const level = (name: string) => (_bindings: object, message: string) => {
    logged.push(`${name}: ${message}`)
  }
  return {
    audited,
    logged,
    audit: {
      background: ({ principal }: Actor, entry: AuditEntry) => {
        audited.push({ ...entry, by: principal })
      },
    },
    log: { info: level('info'), warn: level('warn'), error: level('error') },
  }
}
