/** The answer for a lease. Only the remaining seconds change in its text. */
import type { Lease } from './lease.ts'
import type { Token } from './schemas.ts'

/** Text up to the remaining seconds. Building it for each hit would cost a part of the hit's time; keeping it of each lease would double what a lease takes in memory. So it is kept for those that were read last. */
let beginnings = new WeakMap<Lease, string>()
/** Those before. What is read again is taken over. */
let former = beginnings
let count = 0
/** Most texts of each of both. */
const KEPT = 1_000

/** JSON of a `Token`. */
export const tokenText = (lease: Lease, now: number): string =>
  `${beginnings.get(lease) ?? beginningOf(lease)}${secondsLeft(lease, now)}}`

export const secondsLeft = ({ expiresAt }: Pick<Lease, 'expiresAt'>, now: number): number =>
  Math.max(0, Math.floor((expiresAt - now) / 1000))

function beginningOf(lease: Lease): string {
  const beginning =
    former.get(lease) ?? `${JSON.stringify(constantOf(lease)).slice(0, -1)},"expires_in":`
  if (count >= KEPT) {
    former = beginnings
    beginnings = new WeakMap()
    count = 0
  }
  beginnings.set(lease, beginning)
  count += 1
  return beginning
}

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
    ...(lease.identityUrl !== undefined && { identity_url: lease.identityUrl }),
  }
}
