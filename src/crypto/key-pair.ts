/** RSA key pairs: reading a private key and making one. */
import { createPrivateKey, generateKeyPair as generate, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { invalid, onlyBlock, type PemBlock } from './pem.ts'
import { Secret } from './secret.ts'

/** A private RSA key, and with it its public one. */
export interface PrivateKey {
  readonly keyObject: KeyObject
  /** 2048 to 8192. */
  readonly bits: number
  /** Unencrypted PKCS#8, normalised. */
  readonly pem: Secret
}

export type KeyBits = 2048 | 3072 | 4096

export const KEY_MIN_BITS = 2048
export const KEY_MAX_BITS = 8192
/** What OpenSSL takes for moduli of more than 3072 bits; every real key has 65537. */
const EXPONENT_MAX_BITS = 64n
const GENERATED_BITS: readonly number[] = [2048, 3072, 4096] satisfies KeyBits[]
const PUBLIC_EXPONENT = 65_537

const generateAsync = promisify(generate)

/** What a block that is no plain private key is, and what to do about it. */
const OTHER_BLOCKS: Readonly<Record<string, string>> = {
  'ENCRYPTED PRIVATE KEY':
    'the key is encrypted: remove its passphrase with `openssl pkcs8 -in encrypted.pem -out plain.pem`',
  'PUBLIC KEY': 'it is a public key: send the private key',
  'RSA PUBLIC KEY': 'it is a public key: send the private key',
  CERTIFICATE: 'it is a certificate: send the private key',
  'CERTIFICATE REQUEST': 'it is a certificate request: send the private key',
  'EC PRIVATE KEY': 'it is an EC key: Salesforce takes RSA keys only',
  'DSA PRIVATE KEY': 'it is a DSA key: Salesforce takes RSA keys only',
  'OPENSSH PRIVATE KEY':
    'it is in OpenSSH format: convert a copy of it with `ssh-keygen -p -m PKCS8 -f copy.key`',
}
const ENCRYPTED_PKCS1 =
  'the key is encrypted: remove its passphrase with `openssl pkcs8 -topk8 -nocrypt -in encrypted.pem -out plain.pem`'

/**
 * Reads an unencrypted RSA key of 2048 to 8192 bits, PKCS#1 or PKCS#8. `member` names the key in
 * errors. Throws `credential_invalid`.
 */
export function parsePrivateKey(pem: string, member = 'private_key'): PrivateKey {
  const block = onlyBlock(pem, {
    member,
    what: 'a private key',
    alone: 'send the private key alone',
  })
  const keyObject = readKey(block, member)
  if (keyObject.asymmetricKeyType !== 'rsa') {
    throw invalid(member, 'it is not an RSA key: Salesforce takes RSA keys only')
  }
  const bits = keyObject.asymmetricKeyDetails?.modulusLength ?? 0
  if (bits < KEY_MIN_BITS) {
    throw invalid(member, `the key has ${bits} bits: it needs ${KEY_MIN_BITS} or more`)
  }
  if (bits > KEY_MAX_BITS) {
    throw invalid(member, `the key has ${bits} bits: it may have ${KEY_MAX_BITS} at most`)
  }
  if (!isConsistent(keyObject, bits)) {
    throw invalid(member, 'the numbers of the RSA key do not belong together: it is damaged')
  }
  return ofKeyObject(canonical(keyObject), bits)
}

/** By its numbers alone, without what else the text may say (a version that nobody knows). */
const canonical = (keyObject: KeyObject): KeyObject =>
  createPrivateKey({ key: keyObject.export({ format: 'jwk' }), format: 'jwk' })

/** Makes a key pair in the thread pool: 4096 bits take a second, which the event loop must not wait for. */
export async function generateKeyPair({ bits }: { readonly bits: KeyBits }): Promise<PrivateKey> {
  if (!GENERATED_BITS.includes(bits)) {
    throw invalid('key_bits', `it must be one of ${GENERATED_BITS.join(', ')}`)
  }
  const { privateKey } = await generateAsync('rsa', {
    modulusLength: bits,
    publicExponent: PUBLIC_EXPONENT,
  })
  return ofKeyObject(privateKey, bits)
}

const ofKeyObject = (keyObject: KeyObject, bits: number): PrivateKey => ({
  keyObject,
  bits,
  pem: new Secret(keyObject.export({ type: 'pkcs8', format: 'pem' }).toString()),
})

function readKey(block: PemBlock, member: string): KeyObject {
  if (block.label !== 'PRIVATE KEY' && block.label !== 'RSA PRIVATE KEY') {
    const known = Object.hasOwn(OTHER_BLOCKS, block.label) ? OTHER_BLOCKS[block.label] : undefined
    throw invalid(member, known ?? 'it is not a private key in PKCS#8 or PKCS#1')
  }
  if (block.text.includes('Proc-Type:') && block.text.includes('ENCRYPTED')) {
    throw invalid(member, ENCRYPTED_PKCS1)
  }
  try {
    return createPrivateKey({ key: block.text, format: 'pem' })
  } catch (cause) {
    throw invalid(member, 'its PEM does not hold a readable private key: it is damaged', cause)
  }
}

/**
 * Whether the key's numbers are those of one two-prime RSA key. Importing does not check it: a
 * damaged key would fail at the first mint, and one with huge factors would block the process there.
 */
function isConsistent(keyObject: KeyObject, bits: number): boolean {
  const jwk = keyObject.export({ format: 'jwk' })
  const [n, e, d, p, q, dp, dq, qi] = [
    jwk.n,
    jwk.e,
    jwk.d,
    jwk.p,
    jwk.q,
    jwk.dp,
    jwk.dq,
    jwk.qi,
  ].map(toBigInt) as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint]
  const limit = 1n << BigInt(bits)
  if ([n, e, d, p, q, dp, dq, qi].some((number) => number < 1n || number >= limit)) return false
  return (
    e % 2n === 1n &&
    e >= 3n &&
    e < 1n << EXPONENT_MAX_BITS &&
    p > 1n &&
    q > 1n &&
    p * q === n &&
    (e * d) % (p - 1n) === 1n &&
    (e * d) % (q - 1n) === 1n &&
    d % (p - 1n) === dp &&
    d % (q - 1n) === dq &&
    (q * qi) % p === 1n
  )
}

const toBigInt = (text: string | undefined): bigint =>
  BigInt(`0x${Buffer.from(text ?? '', 'base64url').toString('hex') || '0'}`)
