import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { type Answer, jsonAnswer } from './answer.ts'
import type { Exchange } from './exchange.ts'
import { Refused } from './refusals.ts'
import type { Session } from './sessions.ts'
import type { World } from './world.ts'

/** DPoP (RFC 9449) as Salesforce was seen to do it: proofs, their nonces, and what is bound to their keys. What is unknown of it is in `Settings.dpop`. */

type DpopRefusal = 'use_dpop_nonce' | 'invalid_dpop_proof'

/** The thumbprints of the keys that proved requests of the token endpoint. */
const provenBy = new WeakMap<Exchange, string>()

/** The thumbprint of the key that proved this request of the token endpoint. */
export const proofKeyOf = (exchange: Exchange): string | undefined => provenBy.get(exchange)

/** Checks the proof of a token request, if it has one. Throws `Refused` before anything is done. */
export function takeTokenProof(exchange: Exchange, world: World): void {
  const { supported, tokenNonce } = world.settings().dpop
  const proof = exchange.headers.dpop
  if (proof === undefined || !supported) return
  const found = checkProof(proof, { exchange, world, needsNonce: tokenNonce === 'required' })
  if ('refusal' in found) throw new Refused(found.refusal)
  provenBy.set(exchange, found.thumbprint)
}

/** The `DPoP-Nonce` of an answer of the token endpoint. Undefined: the request had no proof that can be read. */
export function nextNonce(exchange: Exchange, world: World): string | undefined {
  const { supported, nonceChanges } = world.settings().dpop
  const jwk = supported ? readProof(exchange.headers.dpop ?? '')?.jwk : undefined
  if (!jwk) return undefined
  const key = nonceKey(thumbprintOf(jwk), exchange)
  const known = world.dpopNonces.get(key)
  if (known && !nonceChanges && isFresh(known, world)) return known.nonce
  const nonce = randomBytes(18).toString('base64url')
  world.dpopNonces.set(key, { nonce, at: world.clock.now() })
  return nonce
}

/** Throws `Refused` if what is presented is bound to another key than that of the proof. */
export function requireKey(exchange: Exchange, boundTo: string | undefined): void {
  if (boundTo !== undefined && proofKeyOf(exchange) !== boundTo) {
    throw new Refused('invalid_dpop_proof')
  }
}

/** Why a call with the token of this session is refused. `token`: as it is sent. Undefined: it is not. */
export function refusalOfProof(
  { jkt }: Session,
  call: { readonly isProven: boolean; readonly token: string; readonly proof: string | undefined },
  exchange: Exchange,
  world: World,
): DpopRefusal | undefined {
  const { supported, resourceNonce } = world.settings().dpop
  if (jkt === undefined) return call.isProven ? 'invalid_dpop_proof' : undefined
  if (!supported || !call.isProven) return 'invalid_dpop_proof'
  const needsNonce = resourceNonce === 'required'
  const options = { exchange, world, needsNonce, token: call.token }
  const found = checkProof(call.proof ?? '', options)
  if ('refusal' in found) return found.refusal
  return found.thumbprint === jkt ? undefined : 'invalid_dpop_proof'
}

/** The challenge of a resource: 400 with a JSON body was seen, and RFC 9449 says 401. */
export function challenge(exchange: Exchange, world: World): Answer {
  const { challengeStatus: status } = world.settings().dpop
  const answer = jsonAnswer(status, {
    error: 'use_dpop_nonce',
    error_description: 'Resource server requires nonce in DPoP proof',
  })
  return {
    ...answer,
    headers: { ...answer.headers, 'dpop-nonce': nextNonce(exchange, world) ?? '' },
  }
}

/** The refusal of a token, with another nonce where Salesforce sends one with it. */
export function withNonce(refusal: Answer, exchange: Exchange, world: World): Answer {
  const { refusesWithNonce } = world.settings().dpop
  const nonce = refusesWithNonce ? nextNonce(exchange, world) : undefined
  return nonce === undefined
    ? refusal
    : { ...refusal, headers: { ...refusal.headers, 'dpop-nonce': nonce } }
}

interface Proof {
  readonly jwk: {
    readonly kty: string
    readonly crv: string
    readonly x: string
    readonly y: string
  }
  readonly claims: Readonly<Record<string, unknown>>
  readonly signed: string
  readonly signature: Buffer
}

interface ProofCheck {
  readonly exchange: Exchange
  readonly world: World
  readonly needsNonce: boolean
  /** The access token of a resource call. */
  readonly token?: string
}

function checkProof(
  text: string,
  { exchange, world, needsNonce, token }: ProofCheck,
): { readonly thumbprint: string } | { readonly refusal: DpopRefusal } {
  const wrong = { refusal: 'invalid_dpop_proof' } as const
  const { iatSkewMs, refusesReplay } = world.settings().dpop
  const proof = readProof(text)
  if (!proof || !isSigned(proof)) return wrong
  const { jti, htm, htu, iat, ath, nonce } = proof.claims
  const thumbprint = thumbprintOf(proof.jwk)
  const isOfRequest = htm === exchange.method && htu === calledUrl(exchange)
  const isOnTime = typeof iat === 'number' && Math.abs(iat * 1000 - world.clock.now()) <= iatSkewMs
  const isOfToken = ath === (token === undefined ? undefined : digestOf(token))
  if (typeof jti !== 'string' || !isOfRequest || !isOnTime || !isOfToken) return wrong
  const known = world.dpopNonces.get(nonceKey(thumbprint, exchange))
  const isCurrent = known !== undefined && nonce === known.nonce && isFresh(known, world)
  if ((needsNonce || nonce !== undefined) && !isCurrent) return { refusal: 'use_dpop_nonce' }
  if (refusesReplay && world.usedProofIds.has(jti)) return wrong
  world.usedProofIds.add(jti)
  return { thumbprint }
}

/** What the SDKs of Salesforce send and it accepts: ES256, and a key with four members. */
function readProof(text: string): Proof | undefined {
  const [header = '', payload = '', signature = '', ...more] = text.split('.')
  if (more.length > 0) return undefined
  try {
    const { typ, alg, jwk } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'))
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    const members = Object.keys(jwk).sort().join()
    if (typ !== 'dpop+jwt' || alg !== 'ES256' || members !== 'crv,kty,x,y') return undefined
    if (jwk.kty !== 'EC' || jwk.crv !== 'P-256') return undefined
    const signed = `${header}.${payload}`
    return { jwk, claims, signed, signature: Buffer.from(signature, 'base64url') }
  } catch {
    // Whatever cannot be read is no proof.
    return undefined
  }
}

function isSigned({ jwk, signed, signature }: Proof): boolean {
  try {
    const key = createPublicKey({ key: { ...jwk }, format: 'jwk' })
    return verify('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }, signature)
  } catch {
    // The numbers are no point of the curve.
    return false
  }
}

const thumbprintOf = ({ crv, kty, x, y }: Proof['jwk']): string =>
  digestOf(`{"crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}`)

const digestOf = (text: string): string => createHash('sha256').update(text).digest('base64url')

/** Scheme, host and path as they were called. */
function calledUrl({ origins, authority, path }: Exchange): string {
  const scheme = origins.login().startsWith('http:') ? 'http' : 'https'
  return `${scheme}://${authority}${path}`
}

const nonceKey = (thumbprint: string, { authority }: Exchange) => `${thumbprint} ${authority}`

const isFresh = ({ at }: { readonly at: number }, { clock, settings }: World): boolean =>
  clock.now() - at < settings().dpop.nonceLifetimeMs

const BINDS = {
  'urn:ietf:params:oauth:grant-type:jwt-bearer': 'jwtBearer',
  client_credentials: 'clientCredentials',
  'urn:ietf:params:oauth:grant-type:token-exchange': 'tokenExchange',
  device: 'device',
} as const

/** The key that a grant of this type binds its tokens to. Undefined: to none. The web server flow binds by `dpop_jkt`, and its refresh token by itself. */
export function keyToBind(type: string, exchange: Exchange, world: World): string | undefined {
  const { binds } = world.settings().dpop
  const grant = Object.hasOwn(BINDS, type) ? BINDS[type as keyof typeof BINDS] : undefined
  return grant !== undefined && binds[grant] ? proofKeyOf(exchange) : undefined
}
