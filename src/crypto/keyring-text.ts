/** The text of `VALETKEY_KEYRING`: keys, and names of keys that a service outside holds wrapped. */
import type { Secret } from './secret.ts'

export const KEY_BYTES = 32
export const KEY_ID = /^[A-Za-z0-9._-]{1,64}$/

export interface SealingKey {
  readonly id: string
  /** 32 bytes. */
  readonly key: Uint8Array
}

/** Data keys that a key of Vault or AWS KMS wraps. */
export interface OutsideEntry {
  readonly type: 'vault_transit' | 'aws_kms'
  /** Of the `keyring_keys` in the file of `VALETKEY_SIGNERS`. */
  readonly name: string
}

export type KeyringEntry = SealingKey | OutsideEntry

type ParsedKeyring =
  | { readonly entries: readonly KeyringEntry[] }
  /** One sentence each. Entries are identified by position, because the id may contain the key by mistake. */
  | { readonly mistakes: readonly string[] }

/** An id with one of these names is no key, but leads to one. */
const OUTSIDE: Readonly<Record<string, OutsideEntry['type']>> = {
  'vault-transit': 'vault_transit',
  'aws-kms': 'aws_kms',
}
const OUTSIDE_NAME = /^[a-z][a-z0-9-]{0,31}$/

export const isOutside = (entry: KeyringEntry): entry is OutsideEntry => 'type' in entry

/** As `VALETKEY_KEYRING` has it. */
export const outsideText = ({ type, name }: OutsideEntry): string =>
  `${type.replaceAll('_', '-')}:${name}`

/** Throws `TypeError` for a text with mistakes. */
export function entriesOf(text: Secret): readonly KeyringEntry[] {
  const parsed = parseKeyring(text.reveal())
  if ('mistakes' in parsed) throw new TypeError(`The keyring: ${parsed.mistakes.join('; ')}`)
  return parsed.entries
}

/** Parses comma-separated entries: `id:base64`, `vault-transit:NAME` and `aws-kms:NAME`. */
export function parseKeyring(text: string): ParsedKeyring {
  const entries: KeyringEntry[] = []
  const mistakes: string[] = []
  const places = new Map<string, number>()
  text.split(',').forEach((entry, index) => {
    const place = index + 1
    const parsed = parseEntry(entry.trim())
    if (typeof parsed === 'string') {
      mistakes.push(`entry ${place} ${parsed}`)
      return
    }
    const name = isOutside(parsed) ? `outside ${parsed.name}` : parsed.id
    const former = places.get(name)
    const what = isOutside(parsed) ? 'name' : 'id'
    if (former !== undefined) mistakes.push(`entries ${former} and ${place} have the same ${what}`)
    places.set(name, place)
    entries.push(parsed)
  })
  return mistakes.length === 0 ? { entries } : { mistakes }
}

function parseEntry(entry: string): KeyringEntry | string {
  if (entry === '') return 'is empty'
  const colon = entry.indexOf(':')
  if (colon < 0) {
    return 'has no colon: it must read id:base64, vault-transit:NAME or aws-kms:NAME'
  }
  const id = entry.slice(0, colon)
  const type = Object.hasOwn(OUTSIDE, id) ? OUTSIDE[id] : undefined
  if (type !== undefined) {
    const name = entry.slice(colon + 1)
    if (OUTSIDE_NAME.test(name)) return { type, name }
    return `has a name after ${id}: that is not 1 to 32 lower-case letters, digits and hyphens that begin with a letter`
  }
  if (!KEY_ID.test(id)) return 'has an id that is not 1 to 64 letters, digits, dots, dashes or _'
  const encoded = entry.slice(colon + 1)
  const key = Buffer.from(encoded, 'base64')
  const canonical = key.toString('base64').replace(/=+$/, '')
  if (encoded.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '') !== canonical) {
    return 'is not valid base64 after its colon'
  }
  if (key.byteLength !== KEY_BYTES) {
    return `has a key of ${key.byteLength} bytes: it must be 32 (openssl rand -base64 32)`
  }
  return { id, key: new Uint8Array(key) }
}
