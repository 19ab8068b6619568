/**
 * Compact JWE (RFC 7516) with `A256KW` and `A256GCM`, on the calling thread. A library does each step
 * by WebCrypto, in the thread pool: the waits for the pool take five times as long as the work.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto'

export const KEY_MANAGEMENT = 'A256KW'
export const CONTENT_ENCRYPTION = 'A256GCM'

/** The segments of a compact JWE, decoded. */
export interface JweSegments {
  /** As it is in the JWE: the authentication tag covers this text. */
  readonly protectedHeader: string
  readonly encryptedKey: Buffer
  readonly iv: Buffer
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

const KEY_WRAP = 'id-aes256-wrap'
/** RFC 3394, section 2.2.3.1. */
const WRAP_IV = Buffer.alloc(8, 0xa6)
const CIPHER = 'aes-256-gcm'
/** RFC 7518, section 5.3, in bytes. */
const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16

/** Encrypts text with a new content key, which `key` wraps. `header`: the protected members. */
export function encryptCompact(plaintext: string, header: object, key: KeyObject): string {
  const protectedHeader = Buffer.from(JSON.stringify(header)).toString('base64url')
  const random = randomBytes(KEY_BYTES + IV_BYTES)
  const contentKey = random.subarray(0, KEY_BYTES)
  const iv = random.subarray(KEY_BYTES)
  const wrap = createCipheriv(KEY_WRAP, key, WRAP_IV)
  const encryptedKey = Buffer.concat([wrap.update(contentKey), wrap.final()])
  const cipher = createCipheriv(CIPHER, keyOf(contentKey), iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(protectedHeader, 'ascii'))
  const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
  const rest = [encryptedKey, iv, ciphertext, cipher.getAuthTag()]
  return [protectedHeader, ...rest.map((bytes) => bytes.toString('base64url'))].join('.')
}

/** Throws if anything was changed, or if `key` did not wrap the content key. */
export function decryptCompact(segments: JweSegments, key: KeyObject): string {
  const { protectedHeader, encryptedKey, iv, ciphertext, tag } = segments
  if (iv.length !== IV_BYTES) throw new Error('Its initialization vector has another length')
  const unwrap = createDecipheriv(KEY_WRAP, key, WRAP_IV)
  const contentKey = Buffer.concat([unwrap.update(encryptedKey), unwrap.final()])
  const decipher = createDecipheriv(CIPHER, keyOf(contentKey), iv, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(protectedHeader, 'ascii'))
  decipher.setAuthTag(tag)
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString('utf8')
}

/** Node tries to read bytes as an object of a key, and creates an error with a stack where it fails: that takes longer than the cipher. */
const keyOf = (bytes: Buffer): KeyObject => createSecretKey(bytes)
