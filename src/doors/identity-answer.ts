/** What Salesforce says of the user of a token, as far as a lease knows it. Pure. */
import type { Lease } from '../tokens/serve/lease.ts'
import { longIdentityOf } from '../tokens/serve/lease-identity.ts'

/** As OpenID Connect has it. */
export function userinfoAnswer(lease: Lease) {
  const { url, orgId, userId } = longIdentityOf(lease)
  return { sub: url, user_id: userId, organization_id: orgId, urls: urlsOf(lease, orgId) }
}

/** As the identity URL has it. */
export function identityAnswer(lease: Lease) {
  const { url, orgId, userId } = longIdentityOf(lease)
  const ids = { user_id: userId, organization_id: orgId }
  return { id: url, asserted_user: true, ...ids, urls: urlsOf(lease, orgId) }
}

/** Clients put the version of the API in place of `{version}`. */
function urlsOf({ instanceUrl }: Lease, orgId: string) {
  const soap = (kind: string) => `${instanceUrl}/services/Soap/${kind}/{version}/${orgId}`
  const rest = `${instanceUrl}/services/data/v{version}/`
  return {
    enterprise: soap('c'),
    metadata: soap('m'),
    partner: soap('u'),
    rest,
    sobjects: `${rest}sobjects/`,
    search: `${rest}search/`,
    query: `${rest}query/`,
  }
}
