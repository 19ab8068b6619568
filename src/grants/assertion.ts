import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { type CryptoKey, importPKCS8, type JWTPayload, SignJWT } from 'jose'
import { Secret } from '../crypto/secret.ts'
import { BrokerError } from '../errors/errors.ts'
import type { RemoteKey } from '../signers/remote-key.ts'
import type { Signing } from '../signers/signers.ts'

/** A private key in PEM, or where it is. */
export type SigningKey = Secret | RemoteKey

export const isRemote = (key: SigningKey): key is RemoteKey => 'publicKey' in key

/** The key of a credential, if it is at a signer. */
export const remoteKeyOf = ({
  privateKey,
}: {
  readonly type: string
  readonly privateKey?: SigningKey
}): RemoteKey | undefined => (privateKey && isRemote(privateKey) ? privateKey : undefined)

/** Claims of a signed, short-lived JWT (RFC 7523) that a signing key proves itself with. */
interface AssertionClaims {
  readonly issuer: string
  readonly subject: string
  readonly audience: string
}

interface AssertionDependencies {
  readonly signers: Signing
  readonly now: () => number
  /** Unique per assertion: Salesforce refuses a `jti` that it has seen. */
  readonly uniqueId: () => string
}

const ALGORITHM = 'RS256'
/** Salesforce allows 3 minutes. The other 30 seconds are a margin for a clock that is ahead. */
const LIFETIME_MS = 150_000

/**
 * Signs with RS256, the only algorithm that Salesforce accepts. Omits `iat` and `nbf`, because
 * Salesforce would refuse them if our clock is ahead. Throws `credential_invalid` if the key cannot
 * sign, and `signer_unavailable` and `signing_refused` if its signer does not.
 */
export async function signAssertion(
  { issuer: iss, subject: sub, audience: aud }: AssertionClaims,
  privateKey: SigningKey,
  { signers, now, uniqueId }: AssertionDependencies,
): Promise<Secret> {
  const exp = Math.floor((now() + LIFETIME_MS) / 1_000)
  return new Secret(await signJwt({ iss, sub, aud, exp, jti: uniqueId() }, privateKey, signers))
}

/** A JWT with RS256. Throws as {@link signAssertion} does. */
export async function signJwt(
  claims: JWTPayload,
  key: SigningKey,
  signers: Signing,
): Promise<string> {
  if (isRemote(key)) return signedAway(claims, key, signers)
  try {
    const jwt = new SignJWT(claims).setProtectedHeader({ alg: ALGORITHM })
    return await jwt.sign(await keyOf(key.reveal()))
  } catch (cause) {
    throw new BrokerError('credential_invalid', 'The private key cannot sign with RS256.', {
      cause,
    })
  }
}

/** The library signs only with keys that it holds. */
async function signedAway(claims: JWTPayload, key: RemoteKey, signers: Signing): Promise<string> {
  const signed = [{ alg: ALGORITHM }, claims].map(encoded).join('.')
  const signature = await signers.sign(key, Buffer.from(signed))
  return `${signed}.${signature.toString('base64url')}`
}

const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')

/** Throws if it is not a key in PEM. */
export const publicKeyOf = (key: SigningKey): KeyObject =>
  isRemote(key) ? createPublicKey(key.publicKey) : createPublicKey(createPrivateKey(key.reveal()))

const PKCS8 = '-----BEGIN PRIVATE KEY-----'

/** Accepts PKCS#1 and PKCS#8. Sealed keys are PKCS#8, which takes half the time this way. */
async function keyOf(pem: string): Promise<CryptoKey | KeyObject> {
  return pem.startsWith(PKCS8) ? importPKCS8(pem, ALGORITHM) : createPrivateKey(pem)
}
