/** Secrets that a test plants, and the search for them in every form in which they could leak. */
import { createPrivateKey } from 'node:crypto'

export interface Canary {
  readonly name: string
  readonly bytes: Buffer
}

/** Something that was written or sent. */
export interface Evidence {
  readonly source: string
  readonly content: Buffer | string
}

export interface Leak {
  readonly canary: string
  readonly form: string
  readonly source: string
}

/** Shorter ones would be found by chance. */
const SHORTEST = 12

export const canary = (name: string, secret: string | Uint8Array): Canary => ({
  name,
  bytes: Buffer.from(secret as string),
})

/** Parts of the private exponent: each line of a PEM holds one of them whole. */
export function keyCanaries(name: string, pem: string): readonly Canary[] {
  const { d = '' } = createPrivateKey(pem).export({ format: 'jwk' })
  const bytes = Buffer.from(d, 'base64url')
  return [0, 1, 2, 3, 4, 5].map((index) =>
    canary(`${name}, part ${index}`, bytes.subarray(index * 24, (index + 1) * 24)),
  )
}

/** Every leak of a canary. Throws where a canary is too short to be looked for. */
export function findLeaks(
  canaries: readonly Canary[],
  evidence: readonly Evidence[],
): readonly Leak[] {
  const search = createSearch(canaries.flatMap(needlesOf))
  return evidence.flatMap(({ source, content }) =>
    search(typeof content === 'string' ? Buffer.from(content) : content).map(
      ({ canary, form }) => ({ canary, form, source }),
    ),
  )
}

/** One form of one canary. */
interface Needle {
  readonly canary: string
  readonly form: string
  readonly bytes: Buffer
}

function needlesOf({ name, bytes }: Canary): readonly Needle[] {
  if (bytes.length < SHORTEST) throw new Error(`${name} is too short for a canary`)
  return [...formsOf(bytes)].map(([form, written]) => ({
    canary: name,
    form,
    bytes: Buffer.from(written, 'latin1'),
  }))
}

const SLOT_BITS = 20
/** Of the first four bytes of a needle, in one number. */
const slotOf = (word: number) => Math.imul(word, 0x9e3779b1) >>> (32 - SLOT_BITS)

/** Looks for thousands of needles in one walk through the bytes. Gives each that is there, once. */
function createSearch(needles: readonly Needle[]): (bytes: Buffer) => readonly Needle[] {
  const isTaken = new Uint8Array(1 << SLOT_BITS)
  const byStart = new Map<number, Needle[]>()
  for (const needle of needles) {
    const word = needle.bytes.readInt32BE()
    isTaken[slotOf(word)] = 1
    byStart.set(word, [...(byStart.get(word) ?? []), needle])
  }
  return (bytes) => {
    const found = new Set<Needle>()
    let word = 0
    for (let end = 0; end < bytes.length; end += 1) {
      word = (word << 8) | (bytes[end] ?? 0)
      if (end < 3 || isTaken[slotOf(word)] === 0) continue
      for (const needle of byStart.get(word) ?? []) {
        if (isAt(bytes, end - 3, needle.bytes)) found.add(needle)
      }
    }
    return [...found]
  }
}

const isAt = (bytes: Buffer, start: number, sought: Buffer) =>
  start + sought.length <= bytes.length &&
  bytes.compare(sought, 0, sought.length, start, start + sought.length) === 0

/** How the secret could be written, each as the bytes that would be seen. */
export function formsOf(bytes: Buffer): ReadonlyMap<string, string> {
  const text = bytes.toString('latin1')
  const json = JSON.stringify(text).slice(1, -1)
  const forms: readonly (readonly [string, string])[] = [
    ['raw', text],
    ['JSON', json],
    ['JSON in JSON', JSON.stringify(json).slice(1, -1)],
    ['URL', encodeURIComponent(text)],
    ['form', new URLSearchParams([['', text]]).toString().slice(1)],
    ['hex', bytes.toString('hex')],
    ['HEX', bytes.toString('hex').toUpperCase()],
    ...[0, 1, 2].flatMap(
      (offset) =>
        [
          [`base64 at ${offset}`, aligned(bytes, offset, 'base64')],
          [`base64url at ${offset}`, aligned(bytes, offset, 'base64url')],
        ] as const,
    ),
  ]
  return new Map(forms)
}

/** What is the same in every text of which the bytes are a part, at this offset to its groups of three. */
function aligned(bytes: Buffer, offset: number, encoding: 'base64' | 'base64url'): string {
  const whole = Buffer.concat([Buffer.alloc(offset), bytes]).toString(encoding)
  const first = Math.ceil((offset * 8) / 6)
  const end = Math.floor(((offset + bytes.length) * 8) / 6)
  return whole.slice(first, end)
}
