/** Signs DPoP proofs (RFC 9449, section 4.2). */
import { createHash, sign } from 'node:crypto'
import { joseSignature } from '../crypto/ecdsa.ts'
import type { Secret } from '../crypto/secret.ts'
import type { Signers } from '../signers/signers.ts'
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

/** Signs with keys that are at signers. */
export type ProofSigning = Pick<Signers, 'sign'>

interface ProofDependencies {
  readonly signers: ProofSigning
  /** Epoch milliseconds, by the clock of the host that checks the proof. */
  readonly now: () => number
  readonly uniqueId: () => string
}

/**
 * A proof for one request: a JWT with ES256 and a new `jti`. A key of the broker signs at once, on the
 * event loop: the signature takes less time than its way to the thread pool and back. A signer is
 * asked; then it rejects with `signer_unavailable` and `signing_refused`.
 */
export function signProof(
  key: Pick<DpopKey, 'header' | 'privateKey'>,
  { method, url, ath, nonce }: ProvenRequest,
  { now, uniqueId, signers }: ProofDependencies,
): string | Promise<string> {
  const iat = Math.floor(now() / 1_000)
  // JSON leaves out what is undefined.
  const claims = { jti: uniqueId(), htm: method, htu: htuOf(url), iat, ath, nonce }
  return signClaims(key, claims, signers)
}

/** Signs the claims of a proof. `digest`: that of the algorithm in the header. Null: it has none, as EdDSA. */
export function signClaims(
  { header, privateKey: key }: Pick<DpopKey, 'header' | 'privateKey'>,
  claims: object,
  signers: ProofSigning,
  digest: 'sha256' | null = 'sha256',
): string | Promise<string> {
  const text = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
  if ('publicKey' in key) {
    const made = signers.sign(key, Buffer.from(text))
    return made.then((signature) => `${text}.${signature.toString('base64url')}`)
  }
  const signature = sign(digest, Buffer.from(text), key)
  const own = key.asymmetricKeyType === 'ec' ? joseSignature(signature) : signature
  return `${text}.${own.toString('base64url')}`
}

/** The URL without query and fragment. The other bytes stay. */
export function htuOf(url: string): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

/** Base64url SHA-256 of an access token, byte for byte as it is sent. */
export const athOf = (accessToken: Secret): string =>
  createHash('sha256').update(accessToken.reveal()).digest('base64url')
