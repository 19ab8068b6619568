import { createPrivateKey, type KeyObject } from 'node:crypto'
import { type CryptoKey, importPKCS8, SignJWT } from 'jose'
import { Secret } from '../crypto/secret.ts'
import { BrokerError } from '../errors/errors.ts'

/** Claims of a signed, short-lived JWT (RFC 7523) that a signing key proves itself with. */
interface AssertionClaims {
  readonly issuer: string
  readonly subject: string
  readonly audience: string
}

interface AssertionDependencies {
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
 * sign.
 */
export async function signAssertion(
  claims: AssertionClaims,
  privateKey: Secret,
  { now, uniqueId }: AssertionDependencies,
): Promise<Secret> {
  const expiresAtSeconds = Math.floor((now() + LIFETIME_MS) / 1_000)
  try {
    const assertion = await new SignJWT({})
      .setProtectedHeader({ alg: ALGORITHM })
      .setIssuer(claims.issuer)
      .setSubject(claims.subject)
      .setAudience(claims.audience)
      .setExpirationTime(expiresAtSeconds)
      .setJti(uniqueId())
      .sign(await keyOf(privateKey.reveal()))
    return new Secret(assertion)
  } catch (cause) {
    throw new BrokerError('credential_invalid', 'The private key cannot sign with RS256.', {
      cause,
    })
  }
}

const PKCS8 = '-----BEGIN PRIVATE KEY-----'

/** Accepts PKCS#1 and PKCS#8. Sealed keys are PKCS#8, which takes half the time this way. */
async function keyOf(pem: string): Promise<CryptoKey | KeyObject> {
  return pem.startsWith(PKCS8) ? importPKCS8(pem, ALGORITHM) : createPrivateKey(pem)
}
