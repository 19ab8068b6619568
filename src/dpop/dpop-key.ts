/** A P-256 key that access tokens are bound to by DPoP (RFC 9449). Experimental: no Salesforce org has confirmed it. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { Type } from 'typebox'
import type { RemoteKey } from '../signers/remote-key.ts'
import type { BodyOf } from '../store/record-body.ts'
import { asksForBound } from './dpop-rule.ts'

/** Base64url SHA-256 of the public key (RFC 7638), 43 characters. */
const Thumbprint = Type.String()

/** As it is stored. Only sealed bodies contain it, so that nobody can exchange it in the store. */
export const StoredDpopKey = Type.Union([
  Type.Object({
    thumbprint: Thumbprint,
    /** PKCS#8 in PEM. */
    privateKey: Type.String(),
  }),
  /** The key is at a signer. */
  Type.Object({
    thumbprint: Thumbprint,
    remote: Type.Unsafe<RemoteKey>(
      Type.Object({ name: Type.String(), key: Type.String(), publicKey: Type.String() }),
    ),
  }),
])

export type StoredDpopKey = BodyOf<typeof StoredDpopKey>

/** A key that signs proofs. */
export interface DpopKey {
  /** The `jkt` of what is bound to it. */
  readonly thumbprint: string
  readonly privateKey: KeyObject | RemoteKey
  /** The first part of each proof: its header in base64url. */
  readonly header: string
}

/** Makes a new key. It takes about 0.1 ms. */
export function generateDpopKey(): StoredDpopKey & { readonly privateKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    thumbprint: thumbprintOf(publicJwkOf(publicKey)),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** A key for requests whose token nobody keeps, where the rule asks for bound tokens. `atSigner`: the one that the rule names, if it names one. */
export function trialKeyFor(
  owner: Parameters<typeof asksForBound>[0],
  atSigner: StoredDpopKey | undefined,
): { readonly dpopKey?: StoredDpopKey } {
  if (!asksForBound(owner)) return {}
  return { dpopKey: atSigner ?? generateDpopKey() }
}

/** A key at a signer, with the curve P-256. */
export const storedAway = (remote: RemoteKey): StoredDpopKey => ({
  thumbprint: thumbprintOf(publicJwkOf(createPublicKey(remote.publicKey))),
  remote,
})

/** Where the key is, if it is at a signer. */
export const signerKeyOf = (stored: StoredDpopKey | undefined): RemoteKey | undefined =>
  stored && 'remote' in stored ? stored.remote : undefined

/** Opened keys, so that a proof parses none. */
const opened = new WeakMap<StoredDpopKey, DpopKey>()

/** Opens a key once. Throws if it is no key of the curve P-256. */
export function openDpopKey(stored: StoredDpopKey): DpopKey {
  const known = opened.get(stored)
  if (known) return known
  const privateKey = 'remote' in stored ? stored.remote : createPrivateKey(stored.privateKey)
  const jwk = publicJwkOf(
    'publicKey' in privateKey ? createPublicKey(privateKey.publicKey) : createPublicKey(privateKey),
  )
  const header = { typ: 'dpop+jwt', alg: 'ES256', jwk }
  const key: DpopKey = {
    thumbprint: thumbprintOf(jwk),
    privateKey,
    header: Buffer.from(JSON.stringify(header)).toString('base64url'),
  }
  opened.set(stored, key)
  return key
}

/** The members of RFC 7638, in its order. */
interface PublicJwk {
  readonly crv: 'P-256'
  readonly kty: 'EC'
  readonly x: string
  readonly y: string
}

function publicJwkOf(publicKey: KeyObject): PublicJwk {
  const { crv, kty, x, y } = publicKey.export({ format: 'jwk' })
  if (kty !== 'EC' || crv !== 'P-256' || x === undefined || y === undefined) {
    throw new TypeError('A DPoP key must be of the curve P-256')
  }
  return { crv, kty, x, y }
}

const thumbprintOf = (jwk: PublicJwk): string =>
  createHash('sha256').update(JSON.stringify(jwk)).digest('base64url')
