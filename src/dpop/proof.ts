/** Signs DPoP proofs (RFC 9449, section 4.2). */
import { createHash, sign } from 'node:crypto'
import { elementAt } from '../crypto/der.ts'
import type { Secret } from '../crypto/secret.ts'
import type { DpopKey } from './dpop-key.ts'

/** The request that a proof is for. */
interface ProvenRequest {
  /** As it is sent, in upper case. */
  readonly method: string
  /** The URL that is called. Query and fragment are cut, and nothing else is changed. */
  readonly url: string
  /** {@link athOf} of the access token that goes with the request. Absent at the token endpoint. */
  readonly ath?: string | undefined
  /** The nonce that the host gave. */
  readonly nonce?: string | undefined
}

interface ProofDependencies {
  /** Epoch milliseconds, by the clock of the host that checks the proof. */
  readonly now: () => number
  readonly uniqueId: () => string
}

/**
 * A proof for one request: a JWT with ES256 and a new `jti`. Signs on the event loop: the signature
 * takes less time than its way to the thread pool and back.
 */
export function signProof(
  { header, privateKey }: DpopKey,
  { method, url, ath, nonce }: ProvenRequest,
  { now, uniqueId }: ProofDependencies,
): string {
  const claims = {
    jti: uniqueId(),
    htm: method,
    htu: htuOf(url),
    iat: Math.floor(now() / 1_000),
    ...(ath !== undefined && { ath }),
    ...(nonce !== undefined && { nonce }),
  }
  return signClaims({ header, privateKey }, claims)
}

/** Signs the claims of a proof. `digest`: that of the algorithm in the header. Null: it has none, as EdDSA. */
export function signClaims(
  { header, privateKey: key }: Pick<DpopKey, 'header' | 'privateKey'>,
  claims: object,
  digest: 'sha256' | null = 'sha256',
): string {
  const signed = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
  const signature = sign(digest, Buffer.from(signed), key)
  const own = key.asymmetricKeyType === 'ec' ? joseForm(signature) : signature
  return `${signed}.${own.toString('base64url')}`
}

/** Bytes of each number of a signature of the curve P-256. */
const NUMBER = 32

/** Written anew for each signature. */
const joined = Buffer.alloc(2 * NUMBER)

/** RFC 7518, section 3.4: the two numbers of an ECDSA signature in DER, with their full length, until the next call. A sign with `dsaEncoding` takes twice as long. */
function joseForm(der: Buffer): Buffer {
  joined.fill(0)
  let at = elementAt(der, 0)?.from ?? 0
  for (const end of [NUMBER, 2 * NUMBER]) {
    const { from, to } = elementAt(der, at) ?? { from: at, to: at }
    // A number has a zero before it if it would look negative, and fewer bytes if it is small.
    const first = Math.max(from, to - NUMBER)
    der.copy(joined, end - (to - first), first, to)
    at = to
  }
  return joined
}

/** The URL without query and fragment. The other bytes stay. */
export function htuOf(url: string): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

/** Base64url SHA-256 of an access token, byte for byte as it is sent. */
export const athOf = (accessToken: Secret): string =>
  createHash('sha256').update(accessToken.reveal()).digest('base64url')
