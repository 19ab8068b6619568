import { randomBytes } from 'node:crypto'

/** Identifiers and opaque secrets in the forms of section 4.5 of the protocol. */

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const USER_CODE_LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const CHECK_DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345'

/** Creates 18-character record ids, counted within each key prefix (`00D` org, `005` user). */
export interface RecordIds {
  next(prefix: string): string
}

export function createRecordIds(): RecordIds {
  const last = new Map<string, number>()
  return {
    next(prefix) {
      const serial = (last.get(prefix) ?? 0) + 1
      last.set(prefix, serial)
      return withChecksum(`${prefix}SM000000${base62(serial).padStart(4, '0')}`)
    },
  }
}

/** The 15-character, case-sensitive form of a record id. */
export function shortId(id: string): string {
  return id.slice(0, 15)
}

/** Salesforce's three check characters: one bit for each capital letter in groups of five. */
function withChecksum(shortForm: string): string {
  let checksum = ''
  for (let group = 0; group < 15; group += 5) {
    let bits = 0
    for (let place = 0; place < 5; place += 1) {
      if (/[A-Z]/.test(shortForm.charAt(group + place))) bits |= 1 << place
    }
    checksum += CHECK_DIGITS.charAt(bits)
  }
  return shortForm + checksum
}

function base62(serial: number): string {
  let rest = serial
  let text = ''
  do {
    text = DIGITS.charAt(rest % 62) + text
    rest = Math.floor(rest / 62)
  } while (rest > 0)
  return text
}

/** Letters, digits, `.` and `_`, as in Salesforce's opaque values. */
function opaque(bytes: number): string {
  return randomBytes(bytes).toString('base64url').replaceAll('-', '.')
}

export function newAccessToken(orgId: string): string {
  return `${shortId(orgId)}!AR8AQ${opaque(69)}`
}

export function newRefreshToken(): string {
  return `5Aep861${opaque(60)}`
}

export function newAuthorizationCode(): string {
  return `aPrx${opaque(60)}`
}

export function newDeviceCode(): string {
  return opaque(32)
}

/** Eight letters and digits that are easy to distinguish. */
export function newUserCode(): string {
  return Array.from(randomBytes(8), (byte) => USER_CODE_LETTERS.charAt(byte % 32)).join('')
}

export function newConsumerKey(): string {
  return `3MVG9${opaque(60)}`
}

export function newConsumerSecret(): string {
  return randomBytes(32).toString('hex').toUpperCase()
}
