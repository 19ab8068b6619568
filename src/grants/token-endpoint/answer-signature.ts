/** The `signature` of a token answer: Salesforce's HMAC over the identity URL and the time, with the consumer secret. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../../crypto/secret.ts'

export interface SignedPart {
  /** `id` and `issued_at`, one after the other, as they came. */
  readonly text: string
  /** Base64. */
  readonly signature: string
}

/** It covers neither the token nor the instance; it shows that who answered knows the secret. */
export function isSignedWith({ text, signature }: SignedPart, clientSecret: Secret): boolean {
  const expected = createHmac('sha256', clientSecret.reveal()).update(text).digest()
  const given = Buffer.from(signature, 'base64')
  return given.length === expected.length && timingSafeEqual(given, expected)
}
