/** The `signature` of a token answer: an HMAC over the identity URL and the time, with the consumer secret as key. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../../crypto/secret.ts'

export interface SignedPart {
  /** `id` and `issued_at`, concatenated as received. */
  readonly text: string
  /** Base64. */
  readonly signature: string
}

/** The signature covers neither the token nor the instance. It proves that the sender knows the secret. */
export function isSignedWith({ text, signature }: SignedPart, clientSecret: Secret): boolean {
  const expected = createHmac('sha256', clientSecret.reveal()).update(text).digest()
  const given = Buffer.from(signature, 'base64')
  return given.length === expected.length && timingSafeEqual(given, expected)
}
