import { createSecretKey, type KeyObject, randomBytes, randomInt } from 'node:crypto'
import { BrokerError } from '../errors/errors.ts'
import {
  CONTENT_ENCRYPTION,
  decryptCompact,
  encryptCompact,
  type JweSegments,
  KEY_MANAGEMENT,
} from './compact-jwe.ts'
import { entriesOf, isOutside, KEY_BYTES, KEY_ID, type SealingKey } from './keyring-text.ts'
import { createMacs, type Macs } from './macs.ts'
import { Secret } from './secret.ts'

/**
 * Encrypts text for one record. The stored form is a compact JWE with `A256KW` and `A256GCM`. Each
 * JWE has a new content key, so that no nonce repeats under a key. `kid` names the sealing key. The
 * protected `rec` names the record, so that a JWE is not valid for another record.
 */
export interface Keyring {
  readonly sealingKeyId: string
  /** The sealing key is first. `learn` appends to them. */
  readonly keyIds: readonly string[]
  /** For data that is stored in plain text. */
  readonly macs: Macs
  /** For names that stand for data which is not stored itself. */
  readonly pseudonyms: Macs
  /** Returns a compact JWE that is bound to the record name. */
  seal(record: string, plaintext: string): Promise<string>
  /** Throws only `record_corrupt`. */
  open(record: string, jwe: string): Promise<string>
  /** Opens a JWE for the record in its header and seals it with the current key. Throws `record_corrupt`. */
  reseal(jwe: string): Promise<string>
  /** Adds a key that opens and verifies. No effect if there is one with its id. */
  learn(key: SealingKey): void
}

/** The unverified key id of a JWE, or the text before its first dot. Undefined if the JWE is not from this service. */
export function sealedWith(jwe: string): string | undefined {
  try {
    if (jwe.length > JWE_MAX_CHARACTERS) return undefined
    const dot = jwe.indexOf('.')
    return headerOf(dot < 0 ? jwe : jwe.slice(0, dot)).kid
  } catch {
    return undefined
  }
}

/** Part of the stored form: a change makes all stored names unknown. */
const PSEUDONYMS = 'valetkey/pseudonym/1'

const HEADER_MEMBERS = 'alg,enc,kid,rec'
/** Far above the size of any record. Protects the parser. */
const JWE_MAX_CHARACTERS = 4 * 1024 * 1024

/** The first key seals; all keys open. Only `kid` selects the key. */
export function createKeyring(keys: readonly SealingKey[]): Keyring {
  const byId = new Map<string, KeyObject>()
  const add = ({ id, key }: SealingKey) => {
    if (!KEY_ID.test(id)) throw new TypeError('A sealing key has an id that is not allowed')
    if (key.byteLength !== KEY_BYTES) throw new TypeError('A sealing key must have 32 bytes')
    byId.set(id, createSecretKey(key))
  }
  for (const key of keys) {
    if (byId.has(key.id)) throw new TypeError('Two sealing keys have the same id')
    add(key)
  }
  const macs = createMacs(keys)
  const pseudonyms = createMacs(keys, PSEUDONYMS)
  let keyIds: readonly string[] = Object.freeze([...byId.keys()])
  const sealingKeyId = keyIds[0]
  const sealingKey = sealingKeyId === undefined ? undefined : byId.get(sealingKeyId)
  if (sealingKeyId === undefined || sealingKey === undefined) {
    throw new TypeError('A keyring needs a sealing key')
  }

  const seal: Keyring['seal'] = async (record, plaintext) => {
    const names = { kid: sealingKeyId, rec: record }
    const header = { alg: KEY_MANAGEMENT, enc: CONTENT_ENCRYPTION, ...names }
    return encryptCompact(plaintext, header, sealingKey)
  }

  const open: Keyring['open'] = async (record, jwe) => {
    try {
      const segments = readSegments(jwe)
      const header = headerOf(segments.protectedHeader)
      if (header.rec !== record) throw new Error('It was sealed for another record')
      const key = byId.get(header.kid)
      if (key === undefined) throw new Error('Its sealing key is not in the keyring')
      return decryptCompact(segments, key)
    } catch (cause) {
      throw new BrokerError('record_corrupt', `The record ${record} cannot be opened`, { cause })
    }
  }

  const recordOf = (jwe: string): string => {
    try {
      return headerOf(readSegments(jwe).protectedHeader).rec
    } catch (cause) {
      throw new BrokerError('record_corrupt', 'A record does not have the sealed form', { cause })
    }
  }

  return {
    sealingKeyId,
    get keyIds() {
      return keyIds
    },
    macs,
    pseudonyms,
    seal,
    open,
    async reseal(jwe) {
      const record = recordOf(jwe)
      return seal(record, await open(record, jwe))
    },
    learn(key) {
      if (byId.has(key.id)) return
      add(key)
      macs.learn(key)
      pseudonyms.learn(key)
      keyIds = Object.freeze([...byId.keys()])
    },
  }
}

/** Throws `TypeError` for a text with mistakes, and for one that names keys outside. */
export function keyringOf(text: Secret): Keyring {
  const entries = entriesOf(text)
  if (entries.some(isOutside)) throw new TypeError('The keyring: it names keys outside')
  return createKeyring(entries.flatMap((entry) => (isOutside(entry) ? [] : [entry])))
}

/** The text of a new keyring with one random key. `now` is in epoch milliseconds; the id contains its date. */
export function generateKeyring(now: number): Secret {
  const { id, key } = newSealingKey(now)
  return new Secret(`${id}:${Buffer.from(key).toString('base64')}`)
}

/** A random key. `now` is in epoch milliseconds; the id contains its date. */
export function newSealingKey(now: number): SealingKey {
  const day = new Date(now).toISOString().slice(0, 10).replaceAll('-', '')
  const suffix = randomInt(36 ** 4)
    .toString(36)
    .padStart(4, '0')
  return { id: `k${day}-${suffix}`, key: new Uint8Array(randomBytes(KEY_BYTES)) }
}

interface SealHeader {
  readonly kid: string
  readonly rec: string
}

/** Each segment must be canonical base64url, because otherwise two texts could represent the same bytes. */
function readSegments(jwe: string): JweSegments {
  if (jwe.length > JWE_MAX_CHARACTERS) throw new Error('It is too long')
  const segments = jwe.split('.')
  const bytes = segments.map((segment) => Buffer.from(segment, 'base64url'))
  if (bytes.some((decoded, index) => decoded.toString('base64url') !== segments[index])) {
    throw new Error('A segment is not canonical base64url')
  }
  const [protectedHeader = ''] = segments
  const [, encryptedKey, iv, ciphertext, tag, ...more] = bytes
  if (!(encryptedKey && iv && ciphertext && tag) || more.length > 0) {
    throw new Error('It is not a compact JWE')
  }
  return { protectedHeader, encryptedKey, iv, ciphertext, tag }
}

/** Accepts only the header that `seal` writes. */
function headerOf(segment: string): SealHeader {
  const header: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'))
  if (typeof header !== 'object' || header === null) throw new Error('Its header is no object')
  const { alg, enc, kid, rec } = header as Record<string, unknown>
  if (
    Object.keys(header).sort().join() !== HEADER_MEMBERS ||
    alg !== KEY_MANAGEMENT ||
    enc !== CONTENT_ENCRYPTION ||
    typeof kid !== 'string' ||
    !KEY_ID.test(kid) ||
    typeof rec !== 'string'
  ) {
    throw new Error('Its header is not one that this service writes')
  }
  return { kid, rec }
}
