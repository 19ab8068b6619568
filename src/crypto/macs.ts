/** Message authentication codes for plain-text data. Only a holder of a sealing key can create them. */
import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'

/** HMAC-SHA-256 with a separate key for each sealing key. */
export type Macs = ReturnType<typeof createMacs>

/** Part of the stored form: a change invalidates all stored codes. */
const PURPOSE = 'valetkey/record-mac/1'
const KEY_BYTES = 32

/** Derives keys by HKDF (RFC 5869), so that the wrapping key has only one use. The first key makes codes; all keys verify them. `purpose`: codes of one purpose do not verify for another. */
export function createMacs(
  keys: readonly { readonly id: string; readonly key: Uint8Array }[],
  purpose = PURPOSE,
) {
  const derived = (key: Uint8Array): KeyObject =>
    createSecretKey(Buffer.from(hkdfSync('sha256', key, '', purpose, KEY_BYTES)))
  const byId = new Map(keys.map(({ id, key }) => [id, derived(key)] as const))
  const first = keys[0]
  if (!first) throw new TypeError('A keyring needs a sealing key')
  const signing = derived(first.key)

  return {
    /** The sealing key whose code `make` returns. */
    keyId: first.id,
    /** 43 characters of base64url. */
    make: (text: string): string => macOf(signing, text).toString('base64url'),
    /** Whether the sealing key is in the keyring. */
    has: (keyId: string): boolean => byId.has(keyId),
    /** As `make`, with one of the sealing keys. Undefined: it is not in the keyring. */
    makeWith(keyId: string, text: string): string | undefined {
      const key = byId.get(keyId)
      return key && macOf(key, text).toString('base64url')
    },
    /** Adds a key that verifies. */
    learn({ id, key }: { readonly id: string; readonly key: Uint8Array }): void {
      byId.set(id, derived(key))
    },
    /** Compares in constant time. Undefined: the sealing key is not in the keyring. */
    verifies(keyId: string, text: string, mac: string): boolean | undefined {
      const key = byId.get(keyId)
      if (!key) return undefined
      const given = Buffer.from(mac, 'base64url')
      const right = macOf(key, text)
      return given.length === right.length && timingSafeEqual(given, right)
    },
  }
}

const macOf = (key: KeyObject, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest()
