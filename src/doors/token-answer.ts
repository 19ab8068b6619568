/** The answer of the token endpoint, as Salesforce writes it. Only the remaining seconds change in its text. */
import { createHash } from 'node:crypto'
import type { Lease } from '../tokens/serve/lease.ts'
import { secondsLeft } from '../tokens/serve/token-view.ts'
import { longIdentityOf } from './lease-identity.ts'

/** Text up to the remaining seconds, built once for each lease and scope. */
const beginnings = new WeakMap<Lease, string>()

/** JSON. `asked`: the scope of the request. Undefined: Salesforce's own is answered. */
export function loginAnswer(lease: Lease, asked: string | undefined, now: number): string {
  const beginning =
    asked === undefined ? (beginnings.get(lease) ?? remembered(lease)) : beginningOf(lease, asked)
  return `${beginning}${secondsLeft(lease, now)}}`
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
