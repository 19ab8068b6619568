/** The answer of the token endpoint, as Salesforce writes it. Only the remaining seconds change in its text. */
import { createHash } from 'node:crypto'
import type { Lease } from '../tokens/serve/lease.ts'
import { longIdentityOf } from '../tokens/serve/lease-identity.ts'
import { secondsLeft } from '../tokens/serve/token-view.ts'

/** Text up to the remaining seconds, built once for each lease and scope. */
const beginnings = new WeakMap<Lease, string>()

interface AskedToken {
  /** The scope of the request. Undefined: Salesforce's own is answered. */
  readonly asked: string | undefined
  /** Most seconds of `expires_in`. */
  readonly longest: number
}

/** JSON. */
export function loginAnswer(lease: Lease, { asked, longest }: AskedToken, now: number): string {
  const beginning =
    asked === undefined ? (beginnings.get(lease) ?? remembered(lease)) : beginningOf(lease, asked)
  return `${beginning}${Math.min(secondsLeft(lease, now), longest)}}`
}

function remembered(lease: Lease): string {
  const beginning = beginningOf(lease, lease.scope)
  beginnings.set(lease, beginning)
  return beginning
}

function beginningOf(lease: Lease, scope: string | undefined): string {
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
    ...(scope !== undefined && { scope }),
  })
  return `${text.slice(0, -1)},"expires_in":`
}

/** Clients need a signature and cannot verify one. This one has the form and proves nothing. */
const opaqueSignature = (url: string, issuedAt: string): string =>
  createHash('sha256').update(`${url}${issuedAt}`).digest('base64')
