/** A lease: a Salesforce access token with its times. Pure functions of the current time. */
import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import type { Secret } from '../../crypto/secret.ts'
import { KeyBinding } from '../../dpop/binding.ts'
import type { TokenAnswer } from '../../grants/token-endpoint/token-answer.ts'
import type { BodyOf } from '../../store/record-body.ts'

type ExpirySource = 'expires_in' | 'token_exp' | 'introspection' | 'configured'

/** Result of one REST call with the token. Only made if the lifetime is configured. `no_api`: the token is live, but not for the REST API. */
export type LeaseProof = 'live' | 'dead' | 'no_api' | 'unproven'

export const LeaseBody = Type.Object({
  integration: Type.String(),
  uid: Type.String(),
  accessToken: Type.String(),
  tokenId: Type.String(),
  orgId: Type.Optional(Type.String()),
  userId: Type.Optional(Type.String()),
  instanceUrl: Type.String(),
  scope: Type.Optional(Type.String()),
  /** Login URL that issued and revokes the token. Absent: a former release wrote the lease. */
  issuer: Type.Optional(Type.String()),
  apiInstanceUrl: Type.Optional(Type.String()),
  identityUrl: Type.Optional(Type.String()),
  /** Salesforce's signature of the identity URL and the time of issue. */
  signature: Type.Optional(Type.String()),
  /** Salesforce's time of issue, otherwise the time of the mint. */
  issuedAt: Type.Number(),
  mintedAt: Type.Number(),
  expiresAt: Type.Number(),
  /** Random point between 70 and 80 % of the lifetime, set once. Earlier by what a signature takes, if a signer makes it. */
  refreshAt: Type.Number(),
  expirySource: Type.Unsafe<ExpirySource>(Type.String()),
  proof: Type.Optional(Type.Unsafe<LeaseProof>(Type.String())),
  /** The life of the token is an assumption so far. The replica that minted it learns it; from then on (epoch ms), any replica that reads the lease does. Absent: it is known. */
  learnBy: Type.Optional(Type.Number()),
  digest: Type.String(),
  dpop: Type.Optional(KeyBinding),
})

export interface Lease extends Omit<BodyOf<typeof LeaseBody>, 'accessToken'> {
  readonly accessToken: Secret
}

export interface MintResult {
  readonly lease: Lease
  /** False: another replica minted it, or this one in degraded mode. */
  readonly isFresh: boolean
  /** False: it could not be saved to the store, and this replica keeps it. */
  readonly isSaved: boolean
}

/** Public fingerprint of a token: the first 16 bytes of its SHA-256, base64url. */
export const tokenIdOf = (accessToken: Secret): string =>
  createHash('sha256').update(accessToken.reveal()).digest().subarray(0, 16).toString('base64url')

export interface Expiry {
  readonly expiresAt: number
  readonly source: ExpirySource
}

/** End of the token as its answer says: `expires_in`, else the token's own `exp`. */
export function expiryOf(answer: TokenAnswer, mintedAt: number): Expiry | undefined {
  if (answer.expiresInSeconds !== undefined) {
    return { expiresAt: mintedAt + answer.expiresInSeconds * 1000, source: 'expires_in' }
  }
  if (answer.tokenExpiresAt !== undefined) {
    return { expiresAt: answer.tokenExpiresAt, source: 'token_exp' }
  }
  return undefined
}

/** Half of the configured lifetime, because Salesforce updates a session about every half timeout. */
export const configuredExpiry = (mintedAt: number, tokenLifetime: number): Expiry => ({
  expiresAt: mintedAt + (tokenLifetime * 1000) / 2,
  source: 'configured',
})

/** How long the replica that minted a lease takes at most to learn the life of its token, in milliseconds: two calls of 4 s, and a margin. */
const LEARNING_MS = 15_000
/** How long that may wait for mints, and the share of the assumption that it may use up. */
const YIELDING = { mostMs: 20_000, share: 1 / 20 }

/** The safe assumption, until the life of the token is known. */
export function assumedLife(mintedAt: number, tokenLifetime: number): TokenLife {
  const life = configuredExpiry(mintedAt, tokenLifetime)
  const yieldMs = Math.min(YIELDING.mostMs, (life.expiresAt - mintedAt) * YIELDING.share)
  return { ...life, learnBy: mintedAt + Math.round(yieldMs) + LEARNING_MS }
}

/** How long it may still wait until its replica begins to learn its life, in milliseconds. 0: no longer. */
export const learningYieldMs = ({ learnBy = 0 }: Pick<Lease, 'learnBy'>, now: number): number =>
  Math.max(0, learnBy - LEARNING_MS - now)

const REFRESH_FROM = 0.7
const REFRESH_SPREAD = 0.1
/** No signer makes a refresh begin before this share of the lifetime. */
const REFRESH_LEAST = 0.5

export interface RefreshTiming {
  readonly random: () => number
  /** What the signature of a mint takes, in milliseconds. Default: nothing worth mentioning. */
  readonly signatureMs?: number
}

/** Stored at the mint. A new random value at each look would always give the earliest point. */
export function refreshAtOf(
  mintedAt: number,
  expiresAt: number,
  { random, signatureMs = 0 }: RefreshTiming,
): number {
  const lifeMs = expiresAt - mintedAt
  const usualMs = lifeMs * (REFRESH_FROM + REFRESH_SPREAD * random())
  return Math.round(mintedAt + Math.max(lifeMs * REFRESH_LEAST, usualMs - signatureMs))
}

interface TokenLife extends Expiry {
  readonly proof?: LeaseProof
  readonly learnBy?: number
}

/** The lease of a token with this life. */
export function leaseWith(
  {
    learnBy: _,
    proof: __,
    ...minted
  }: Omit<Lease, 'expiresAt' | 'refreshAt' | 'expirySource'> & Partial<Lease>,
  { expiresAt, source, proof, learnBy }: TokenLife,
  timing: RefreshTiming,
): Lease {
  return {
    ...minted,
    expiresAt,
    refreshAt: refreshAtOf(minted.mintedAt, expiresAt, timing),
    expirySource: source,
    ...(proof !== undefined && { proof }),
    ...(learnBy !== undefined && { learnBy }),
  }
}

/** Whether the lease is valid for the requested time, or for a tenth of its lifetime if that is less. So no caller can force a mint with each call. */
export const isUsable = (
  lease: Pick<Lease, 'expiresAt' | 'mintedAt'>,
  now: number,
  minTtlMs: number,
): boolean => {
  const remainingMs = lease.expiresAt - now
  return (
    remainingMs > 0 && remainingMs >= Math.min(minTtlMs, (lease.expiresAt - lease.mintedAt) / 10)
  )
}

/** Libraries fetch a token again 60 s before its end, or refuse a fresh one with less. `leastLifeMs`: a shorter lease cannot last. */
const LASTING = { leastLifeMs: 300_000, restMs: 120_000 }

/** Whether a client may keep the lease for a while: 120 s and `marginMs`. A lease whose whole life is below 300 s always passes, so that a replacement brings one that passes. */
export const lastsLong = (
  { expiresAt, mintedAt }: Pick<Lease, 'expiresAt' | 'mintedAt'>,
  now: number,
  marginMs = 0,
): boolean =>
  expiresAt - mintedAt < LASTING.leastLifeMs || expiresAt - now >= LASTING.restMs + marginMs
