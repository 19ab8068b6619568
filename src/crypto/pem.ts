/** Finds one PEM block (RFC 7468) in a text and repairs common damage. */
import { BrokerError } from '../errors/errors.ts'
import { sequenceLength } from './der.ts'
import { formOfText, labelOfBytes, type Wanted, wordsFor } from './foreign-form.ts'
import { plainText } from './pem-text.ts'

export interface PemBlock {
  /** As in `-----BEGIN label-----`. */
  readonly label: string
  /** From BEGIN to END in lines of 64 characters, without surrounding text. */
  readonly text: string
  readonly der: Buffer
  /** Corrections made while parsing, each a sentence without a full stop. Empty for plain PEM. */
  readonly normalized: readonly string[]
}

/** Longest accepted text, in characters: the largest request body. */
const TEXT_MAX_CHARACTERS = 64 * 1024
/** Longest PEM block, in characters. An RSA key of 8192 bits has 6,400. */
const PEM_MAX_CHARACTERS = 16 * 1024

const BEGIN = '-----BEGIN '
const DASHES = '-----'
const PARAMETERS = /^(?:EC|DH|DSA) PARAMETERS$/

interface RawBlock {
  readonly label: string
  readonly body: string
  readonly from: number
  readonly to: number
}

/** The complete blocks before the first incomplete one. Takes time linear in the text. */
function rawBlocks(text: string): readonly RawBlock[] {
  const blocks: RawBlock[] = []
  let from = text.indexOf(BEGIN)
  while (from >= 0) {
    const labelAt = from + BEGIN.length
    const labelEnd = text.indexOf(DASHES, labelAt)
    if (labelEnd < 0) break
    const label = text.slice(labelAt, labelEnd)
    const end = `-----END ${label}-----`
    const endAt = text.indexOf(end, labelEnd)
    if (endAt < 0) break
    const to = endAt + end.length
    blocks.push({ label, body: text.slice(labelEnd + DASHES.length, endAt), from, to })
    from = text.indexOf(BEGIN, to)
  }
  return blocks
}

/** The only block of the text. `what` is the expected content; `alone` is the remedy for several blocks. Throws `credential_invalid`. */
export function onlyBlock(
  given: string,
  { member, wanted, alone }: { member: string; wanted: Wanted; alone: string },
): PemBlock {
  if (given.length > TEXT_MAX_CHARACTERS) {
    throw invalidPem(member, `it is longer than ${TEXT_MAX_CHARACTERS} characters`)
  }
  const { text, done } = plainText(given)
  const all = rawBlocks(text)
  const found = all.length > 1 ? all.filter(isNoParameters) : all
  const [block, ...others] = found.length > 0 ? found : bareBody(text, wanted)
  if (block === undefined) throw invalidPem(member, whyNoBlock(text, wanted))
  const restoredEnds = found.length === 0 ? ['Its BEGIN and END lines were restored'] : []
  if (others.length > 0) {
    throw invalidPem(member, `it has ${all.length} PEM blocks: ${alone}`)
  }
  const outside = text.slice(0, block.from) + text.slice(block.to)
  return restored(block, member, [...done, ...restoredEnds, ...outsideWords(outside)])
}

const BROKEN_ENDS =
  /-{0,5}\b(?:BEGIN|END)[ \t]{1,4}(?:[A-Z0-9]{1,20}[ \t]{1,4}){0,3}?(?:KEY|CERTIFICATE)-{0,5}/g

/** The block of a body without its first or last line. Empty if the body is incomplete. */
function bareBody(text: string, wanted: Wanted): readonly RawBlock[] {
  const body = text.replace(BROKEN_ENDS, '\n').replace(ESCAPED_BREAK, '\n')
  const base64 = readingsOf(body).find(isWhole)
  const label = base64 && labelOfBytes(Buffer.from(base64, 'base64'), wanted)
  return base64 && label ? [{ label, body: `\n${base64}\n`, from: 0, to: text.length }] : []
}

const isNoParameters = ({ label }: RawBlock) => !PARAMETERS.test(label)

function whyNoBlock(text: string, wanted: Wanted): string {
  const form = formOfText(text)
  const cut = form === 'der_key' ? missingWords({ der: Buffer.from(text, 'base64') }) : undefined
  if (cut !== undefined && wanted === 'private_key') return cut
  if (form) return wordsFor(form, wanted)
  const what = wanted === 'certificate' ? 'a certificate' : 'a private key'
  if (text.includes(BEGIN))
    return `it is not PEM: it is cut short, and its -----END line is missing`
  if (text.includes('-----END ')) return `it is not PEM: its -----BEGIN line is missing`
  return `it is not PEM: ${what} goes from its -----BEGIN line to its -----END line`
}

function outsideWords(outside: string): readonly string[] {
  // Escaped line breaks have their own message.
  const trimmed = outside.replace(ESCAPED_BREAK, '').trim()
  if (trimmed === '') return []
  return /^["'`,;\\nr\s]*$/.test(trimmed)
    ? ['Quotation marks were removed']
    : ['Text around the PEM block was removed']
}

const ESCAPED_BREAK = /\\{1,8}(?:[nrt]|u000[adAD]|0?1[25])|&#(?:10|13|[xX]0{0,4}[adAD]);|<br ?\/?>/g
const FILLING = /[\s\\"'`,;>|\u200b\u00a0]/g
const LINES_OF_N = /^n?(?:[A-Za-z0-9+/]{64}n)+[A-Za-z0-9+/]{0,64}={0,2}n?$/
const OLD_HEADERS =
  /^\s*Proc-Type:\s*4,\s*ENCRYPTED\s*DEK-Info:\s*([A-Z0-9-]{3,32}),\s*([0-9A-Fa-f]{16,32})/

function restored(
  { label, body: given, from, to }: RawBlock,
  member: string,
  done: readonly string[],
): PemBlock {
  const isEscaped = given.search(ESCAPED_BREAK) >= 0
  const unescaped = isEscaped ? given.replace(ESCAPED_BREAK, '\n') : given
  const { headers, body } = headersOf(unescaped)
  const { base64, isPlain } = base64Of(body, member)
  const der = Buffer.from(base64, 'base64')
  const lines = base64.match(/.{1,64}/g) ?? []
  const ends = [`-----BEGIN ${label}-----`, `-----END ${label}-----`] as const
  const text = [ends[0], ...headers, ...lines, ends[1]].join('\n')
  if (to - from > TEXT_MAX_CHARACTERS || text.length > PEM_MAX_CHARACTERS) {
    throw invalidPem(member, `it is longer than ${PEM_MAX_CHARACTERS} characters`)
  }
  const words = isEscaped
    ? ['Escaped line breaks, such as the two characters \\n, were read as line breaks']
    : isPlain && isTidy(given)
      ? []
      : ['Its line breaks were restored']
  return { label, text, der, normalized: [...done, ...words] }
}

/** Lines that every PEM parser accepts: no leading space, and no empty line except after the headers. */
const isTidy = (body: string): boolean =>
  /^[ \t]*\r?\n(?:[A-Za-z0-9+/=:, -]*\r?\n)+$/.test(body) &&
  !/^[ \t]+\S/m.test(body) &&
  (body.includes('DEK-Info') || !/\n\r?\n/.test(body.trim()))

function headersOf(body: string): { headers: readonly string[]; body: string } {
  const [, cipher = '', hex = ''] = OLD_HEADERS.exec(body) ?? []
  if (cipher === '') return { headers: [], body }
  const iv = hex.slice(0, cipher.startsWith('DES') ? 16 : 32)
  const at = body.indexOf(iv, body.indexOf('DEK-Info')) + iv.length
  const headers = ['Proc-Type: 4,ENCRYPTED', `DEK-Info: ${cipher},${iv}`, '']
  return { headers, body: body.slice(at) }
}

/** Possible readings of a body; the first one changes nothing. */
function readingsOf(body: string): readonly [string, ...string[]] {
  const plain = body.replace(FILLING, '')
  return [
    plain,
    plain.replaceAll('-', '+').replaceAll('_', '/'),
    ...(LINES_OF_N.test(plain) ? [withoutN(plain)] : []),
    body.trim().replaceAll(' ', '+').replace(FILLING, ''),
  ]
}

/** The first reading whose length is correct, or else the first reading. */
function base64Of(body: string, member: string): { base64: string; isPlain: boolean } {
  const readings = readingsOf(body)
  const [plain] = readings
  const base64 = readings.find(isWhole) ?? plain
  const odd = /[^A-Za-z0-9+/=]/u.exec(base64)?.[0]
  if (odd !== undefined) {
    const code = odd.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')
    throw invalidPem(
      member,
      `its PEM has a character that is not base64 (U+${code}): copy it again`,
    )
  }
  return { base64, isPlain: base64 === plain }
}

function isWhole(base64: string): boolean {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return false
  const der = Buffer.from(base64, 'base64')
  return sequenceLength(der) === der.length
}

const withoutN = (base64: string): string =>
  base64
    .replace(/^n/, '')
    .replace(/([A-Za-z0-9+/]{64})n/g, '$1')
    .replace(/n$/, '')

/** Describes how many bytes are missing. Undefined: none. */
export function missingWords({ der }: Pick<PemBlock, 'der'>): string | undefined {
  if (der.length === 0) return 'its PEM is empty: it is damaged'
  const length = sequenceLength(der)
  if (length === undefined || length <= der.length) return undefined
  return `its PEM is damaged: ${length - der.length} of its ${length} bytes are missing. Copy it again completely`
}

/** Creates `credential_invalid` for a member, without its content. */
export function invalidPem(member: string, why: string, cause?: unknown): BrokerError {
  return new BrokerError('credential_invalid', `${member}: ${why}`, { cause })
}
