/** The answer of the token endpoint, as Salesforce writes it. Only the scope and the remaining seconds change in its text. */
import { createHash } from 'node:crypto'
import type { Lease } from '../tokens/serve/lease.ts'
import { longIdentityOf } from '../tokens/serve/lease-identity.ts'
import { createLeaseTexts } from '../tokens/serve/lease-texts.ts'
import { secondsLeft } from '../tokens/serve/token-view.ts'

interface AskedToken {
  /** The scope of the request. Undefined: Salesforce's own is answered. */
  readonly asked: string | undefined
  /** Most seconds of `expires_in`. */
  readonly longest: number
}

/** JSON. */
export function loginAnswer(lease: Lease, { asked, longest }: AskedToken, now: number): string {
  const scope = asked ?? lease.scope
  const scopeText = scope === undefined ? '' : `,"scope":${JSON.stringify(scope)}`
  return `${beginningOf(lease)}${scopeText},"expires_in":${Math.min(secondsLeft(lease, now), longest)}}`
}

const beginningOf = createLeaseTexts((lease) => {
  const { url } = longIdentityOf(lease)
  const issuedAt = String(Math.floor(lease.issuedAt))
  const text = JSON.stringify({
    access_token: lease.accessToken.reveal(),
    instance_url: lease.instanceUrl,
    ...(lease.apiInstanceUrl !== undefined && { api_instance_url: lease.apiInstanceUrl }),
    id: url,
    token_type: 'Bearer',
    // A string: clients refuse a number.
    issued_at: issuedAt,
    signature: lease.signature ?? opaqueSignature(url, issuedAt),
  })
  return text.slice(0, -1)
})

/** Clients need a signature and cannot verify one. This one has the form and proves nothing. */
const opaqueSignature = (url: string, issuedAt: string): string =>
  createHash('sha256').update(`${url}${issuedAt}`).digest('base64')
