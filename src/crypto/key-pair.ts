/** Parses and generates RSA key pairs. */
import { createPrivateKey, generateKeyPair as generate, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { formOfBytes, formOfKey, formOfLabel, isPkcs1, wordsFor } from './foreign-form.ts'
import { invalidPem, missingWords, onlyBlock, type PemBlock } from './pem.ts'
import { Secret } from './secret.ts'

/** A private RSA key with its public key. */
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
/** OpenSSL's limit for moduli of more than 3072 bits. Usual keys have 65537. */
const EXPONENT_MAX_BITS = 64n
const GENERATED_BITS: readonly number[] = [2048, 3072, 4096] satisfies KeyBits[]
const PUBLIC_EXPONENT = 65_537

const generateAsync = promisify(generate)

interface ReadPrivateKey extends PrivateKey {
  /** Corrections made while parsing, each a sentence without a full stop. Empty for plain PEM. */
  readonly normalized: readonly string[]
}

/** The PEM block of an encrypted key; undefined if the key is not encrypted. Throws `credential_invalid`. */
export function encryptedKeyOf(pem: string, member = 'private_key'): PemBlock | undefined {
  const block = keyBlock(pem, member)
  return isEncrypted(block) ? block : undefined
}

/**
 * Parses an unencrypted RSA key of 2048 to 8192 bits, PKCS#1 or PKCS#8. `member` names the key in
 * errors. Throws `credential_invalid`.
 */
export function parsePrivateKey(pem: string, member = 'private_key'): ReadPrivateKey {
  const block = keyBlock(pem, member)
  const keyObject = readKey(block, member)
  if (keyObject.asymmetricKeyType !== 'rsa') {
    throw invalidPem(member, 'it is not an RSA key: Salesforce accepts only RSA keys')
  }
  const bits = keyObject.asymmetricKeyDetails?.modulusLength ?? 0
  if (bits < KEY_MIN_BITS) {
    throw invalidPem(member, `the key has ${bits} bits: it needs ${KEY_MIN_BITS} or more`)
  }
  if (bits > KEY_MAX_BITS) {
    throw invalidPem(member, `the key has ${bits} bits: at most ${KEY_MAX_BITS} are allowed`)
  }
  if (!isConsistent(keyObject, bits)) {
    throw invalidPem(member, 'the numbers of the RSA key are not consistent: it is damaged')
  }
  return { ...ofKeyObject(canonical(keyObject), bits), normalized: block.normalized }
}

/** Rebuilds the key from its numbers, without unknown versions and attributes. */
const canonical = (keyObject: KeyObject): KeyObject =>
  createPrivateKey({ key: keyObject.export({ format: 'jwk' }), format: 'jwk' })

/** Generates a key pair in the thread pool, because 4096 bits take about a second. */
export async function generateKeyPair({ bits }: { readonly bits: KeyBits }): Promise<PrivateKey> {
  if (!GENERATED_BITS.includes(bits)) {
    throw invalidPem('key_bits', `it must be one of ${GENERATED_BITS.join(', ')}`)
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

const keyBlock = (pem: string, member: string): PemBlock =>
  onlyBlock(pem, { member, wanted: 'private_key', alone: 'send the private key alone' })

const isEncrypted = ({ label, text }: PemBlock): boolean =>
  formOfLabel(label) === 'encrypted' || text.includes('\nProc-Type: 4,ENCRYPTED')

function readKey(block: PemBlock, member: string): KeyObject {
  const { label, der } = block
  if (isEncrypted(block)) throw invalidPem(member, wordsFor('encrypted', 'private_key'))
  const labelled = formOfLabel(label)
  if (labelled !== 'private_key') {
    throw invalidPem(
      member,
      labelled ? wordsFor(labelled, 'private_key') : 'it is not a private key in PKCS#8 or PKCS#1',
    )
  }
  const foreign = formOfKey(der)
  if (foreign) throw invalidPem(member, wordsFor(foreign, 'private_key'))
  const missing = missingWords(block)
  if (missing !== undefined) throw invalidPem(member, missing)
  try {
    // Uses the content, because labels are often wrong.
    const type = isPkcs1(der) ? 'pkcs1' : 'pkcs8'
    return createPrivateKey({ key: der, format: 'der', type })
  } catch (cause) {
    const form = formOfBytes(der)
    if (form && form !== 'der_key') throw invalidPem(member, wordsFor(form, 'private_key'), cause)
    throw invalidPem(member, 'its PEM contains no readable private key: it is damaged', cause)
  }
}

/**
 * Whether the numbers belong to one RSA key with two primes. The import does not check this: a
 * damaged key would fail at the first mint, and one with huge factors would block the process.
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
