/** An API key: `vk_`, an id of 8 characters, `_`, a secret of 43 (256 random bits), a checksum of 6 (CRC-32 of all before it). The characters are digits and letters. With the checksum, secret scanners recognise keys, and typing errors are refused without a read of the store. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Secret } from '../crypto/secret.ts'

/** Pattern for secret scanners. */
export const API_KEY_PATTERN = /^vk_([0-9A-Za-z]{8})_[0-9A-Za-z]{49}$/

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 8
const SECRET_LENGTH = 43
const CHECKSUM_LENGTH = 6

/** The secret has 256 random bits. A generated id has 46. */
export function generateApiKey(
  randomBytes: (size: number) => Uint8Array,
  id = inBase62(numberOf(randomBytes(16)) % 62n ** BigInt(ID_LENGTH), ID_LENGTH),
): { readonly id: string; readonly key: Secret; readonly digest: string } {
  const secret = inBase62(numberOf(randomBytes(32)), SECRET_LENGTH)
  const body = `vk_${id}_${secret}`
  const text = body + checksumOf(body)
  return { id, key: new Secret(text), digest: digestOfApiKey(text).toString('base64url') }
}

/** The id in a well-formed key with a correct checksum, else undefined. */
export function idOfApiKey(text: string): string | undefined {
  const id = API_KEY_PATTERN.exec(text)?.[1]
  if (id === undefined) return undefined
  const body = text.slice(0, -CHECKSUM_LENGTH)
  return text.endsWith(checksumOf(body)) ? id : undefined
}

/** SHA-256 suffices for 256 random bits, and is fast. */
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
