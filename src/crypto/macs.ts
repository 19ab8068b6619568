/** Message authentication codes of text that stands in the open: who holds no sealing key cannot make one. */
import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'

/** HMAC-SHA-256, under a key of its own for each sealing key. */
export interface Macs {
  /** The sealing key whose code `make` gives. */
  readonly keyId: string
  /** 43 characters of base64url. */
  make(text: string): string
  /** Undefined: there is no such sealing key here, so that nothing can be said. In constant time. */
  verifies(keyId: string, text: string, mac: string): boolean | undefined
}

/** Part of the stored form: another one makes every stored code worthless. */
const PURPOSE = 'valetkey/record-mac/1'
const KEY_BYTES = 32

/** By HKDF (RFC 5869), so that the key that wraps is used for nothing else. The first makes codes, all verify. */
export function createMacs(
  keys: readonly { readonly id: string; readonly key: Uint8Array }[],
): Macs {
  const byId = new Map(keys.map(({ id, key }) => [id, derived(key)] as const))
  const first = keys[0]
  if (!first) throw new TypeError('A keyring needs a sealing key')
  const signing = derived(first.key)

  return {
    keyId: first.id,
    make: (text) => macOf(signing, text).toString('base64url'),
    verifies(keyId, text, mac) {
      const key = byId.get(keyId)
      if (!key) return undefined
      const given = Buffer.from(mac, 'base64url')
      const right = macOf(key, text)
      return given.length === right.length && timingSafeEqual(given, right)
    },
  }
}

const derived = (key: Uint8Array): KeyObject =>
  createSecretKey(Buffer.from(hkdfSync('sha256', key, '', PURPOSE, KEY_BYTES)))

const macOf = (key: KeyObject, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest()
