/** The answer of `POST /oauth/token`. Only the remaining seconds change in its text. */
import type { Lease } from '../serve/lease.ts'
import { longIdentityOf } from '../serve/lease-identity.ts'
import { createLeaseTexts } from '../serve/lease-texts.ts'
import { secondsLeft } from '../serve/token-view.ts'

const beginningOf = createLeaseTexts((lease) => {
  const text = JSON.stringify({
    access_token: lease.accessToken.reveal(),
    token_type: 'Bearer',
    scope: `integration:${lease.integration}`,
    instance_url: lease.instanceUrl,
    token_id: lease.tokenId,
    id: longIdentityOf(lease).url,
    issued_at: String(Math.floor(lease.issuedAt)),
  })
  return `${text.slice(0, -1)},"expires_in":`
})

/** JSON. `longest`: most seconds of `expires_in`. */
export const oauthAnswer = (lease: Lease, longest: number, now: number): string =>
  `${beginningOf(lease)}${Math.min(secondsLeft(lease, now), longest)}}`
