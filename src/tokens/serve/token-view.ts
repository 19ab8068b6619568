/** The answer for a lease. Only the remaining seconds change in its text. */
import { isBound } from '../../dpop/binding.ts'
import type { Lease } from './lease.ts'
import { createLeaseTexts } from './lease-texts.ts'
import type { Token } from './schemas.ts'

const beginningOf = createLeaseTexts(
  (lease) => `${JSON.stringify(constantOf(lease)).slice(0, -1)},"expires_in":`,
)

/** JSON of a `Token`. */
export const tokenText = (lease: Lease, now: number): string =>
  `${beginningOf(lease)}${secondsLeft(lease, now)}}`

export const secondsLeft = ({ expiresAt }: Pick<Lease, 'expiresAt'>, now: number): number =>
  Math.max(0, Math.floor((expiresAt - now) / 1000))

const time = (at: number) => new Date(at).toISOString()

function constantOf(lease: Lease): Omit<Token, 'expires_in'> {
  return {
    integration: lease.integration,
    access_token: lease.accessToken.reveal(),
    token_type: 'Bearer',
    instance_url: lease.instanceUrl,
    ...(lease.apiInstanceUrl !== undefined && { api_instance_url: lease.apiInstanceUrl }),
    ...(lease.scope !== undefined && { scope: lease.scope }),
    issued_at: time(lease.issuedAt),
    expires_at: time(lease.expiresAt),
    expiry_source: lease.expirySource,
    token_id: lease.tokenId,
    ...(lease.orgId !== undefined && { org_id: lease.orgId }),
    ...(lease.userId !== undefined && { user_id: lease.userId }),
    ...(lease.dpop && !isBound(lease) && { bound: false as const }),
    ...(lease.identityUrl !== undefined && { identity_url: lease.identityUrl }),
  }
}
