/**
 * The text of an API key: `vk_`, 8 characters of id, `_`, 43 of secret (256 random bits), 6 of
 * checksum (CRC-32 of all before it); digits and letters. The checksum lets scanners for secrets
 * tell a key from chance, and refuses typing errors without a look into the store.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Secret } from '../crypto/secret.ts'

/** For scanners of secrets. */
export const API_KEY_PATTERN = /^vk_([0-9A-Za-z]{8})_[0-9A-Za-z]{49}$/

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 8
const SECRET_LENGTH = 43
const CHECKSUM_LENGTH = 6

/** 256 random bits, and 46 where no id is given. */
export function generateApiKey(
  randomBytes: (size: number) => Uint8Array,
  id = inBase62(numberOf(randomBytes(16)) % 62n ** BigInt(ID_LENGTH), ID_LENGTH),
): { readonly id: string; readonly key: Secret; readonly digest: string } {
  const secret = inBase62(numberOf(randomBytes(32)), SECRET_LENGTH)
  const body = `vk_${id}_${secret}`
  const text = body + checksumOf(body)
  return { id, key: new Secret(text), digest: digestOfApiKey(text).toString('base64url') }
}

/** The id in a key that is well-formed, checksum and all; else undefined. */
export function idOfApiKey(text: string): string | undefined {
  const id = API_KEY_PATTERN.exec(text)?.[1]
  if (id === undefined) return undefined
  const body = text.slice(0, -CHECKSUM_LENGTH)
  return text.endsWith(checksumOf(body)) ? id : undefined
}

/** SHA-256: enough for 256 random bits, and quick. */
export const digestOfApiKey = (text: string): Buffer => createHash('sha256').update(text).digest()

const checksumOf = (text: string) => inBase62(BigInt(crc32(text)), CHECKSUM_LENGTH)

const numberOf = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)

function inBase62(value: bigint, length: number): string {
  let rest = value
  let text = ''
  while (text.length < length) {
    text = (DIGITS[Number(rest % 62n)] ?? '') + text
    rest /= 62n
  }
  return text
}
