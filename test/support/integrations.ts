/** Whole integrations, leases and entries of the cache: a test states only what it is about. */
import { Secret } from '../../src/crypto/secret.ts'
import type { GrantSettings } from '../../src/grants/grant.ts'
import { DEFAULTS, type Integration } from '../../src/integrations/integration.ts'
import type { Look } from '../../src/store/store.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'
import type { Entry } from '../../src/tokens/serve/lease-cache.ts'

/** With members that the grant alone knows. */
export type AnyGrant = GrantSettings & Readonly<Record<string, unknown>>

export const integrationOf = ({
  grant = { type: 'client_credentials', clientId: '3MVG9' },
  ...changes
}: Partial<Omit<Integration, 'grant'>> & { readonly grant?: AnyGrant } = {}): Integration => ({
  ...DEFAULTS,
  ...{ name: 'billing', uid: 'u', version: 1, labels: {}, credentials: [], credentialFrom: null },
  loginUrl: 'https://acme.my.salesforce.com',
  identity: { pin: 'org_and_user' },
  ...{ managedBy: 'api', createdAt: 1, updatedAt: 1 },
  ...changes,
  grant,
})

/** How the store holds the definition of such an integration. */
export function definitionOf(): string {
  const { name: _, uid: __, version: ___, ...definition } = integrationOf()
  return JSON.stringify({ schema: 1, ...definition })
}

export const leaseOf = (changes: Partial<Lease> = {}): Lease => ({
  ...{ integration: 'billing', uid: 'u', tokenId: 't', digest: 'd', expirySource: 'expires_in' },
  ...{ accessToken: new Secret('token'), instanceUrl: 'https://acme.my.salesforce.com' },
  ...{ issuedAt: 0, mintedAt: 0, refreshAt: 1, expiresAt: 2 },
  ...changes,
})

export const entryOf = (changes: Partial<Entry> = {}): Entry => ({
  ...{ integration: integrationOf(), rev: 1, orev: 1, digests: [] },
  ...{ lease: undefined, refusal: undefined, stillLive: undefined },
  ticket: { epoch: 1, at: 0 },
  ...changes,
})

/** What the store says of an integration without a lease. */
export const lookOf = (name = 'billing'): Look => ({
  integration: { ...{ name, uid: 'u', version: 1, rev: 1, orev: 1 }, digests: [], definition: '' },
  outcome: {},
  now: 0,
})
