/** PEM text (RFC 7468): which blocks it holds, and why it may not be the one that was asked for. */
import { BrokerError } from '../errors.ts'

export interface PemBlock {
  /** As in `-----BEGIN label-----`. */
  readonly label: string
  /** From BEGIN to END, without what stands around it. */
  readonly text: string
}

/** Longest PEM text that is looked at, in characters. An RSA key of 8192 bits has 6,400. */
export const PEM_MAX_CHARACTERS = 16 * 1024

const BEGIN = '-----BEGIN '
const DASHES = '-----'

/** The complete blocks before the first one that is cut short. Takes time linear in the text. */
export function pemBlocks(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = []
  let start = text.indexOf(BEGIN)
  while (start >= 0) {
    const labelAt = start + BEGIN.length
    const labelEnd = text.indexOf(DASHES, labelAt)
    if (labelEnd < 0) break
    const label = text.slice(labelAt, labelEnd)
    const end = `-----END ${label}-----`
    const endAt = text.indexOf(end, labelEnd)
    if (endAt < 0) break
    blocks.push({ label, text: text.slice(start, endAt + end.length) })
    start = text.indexOf(BEGIN, endAt + end.length)
  }
  return blocks
}

/** The only block of the text; `what` is asked for, and `alone` is what to do about several. */
export function onlyBlock(
  text: string,
  { member, what, alone }: { member: string; what: string; alone: string },
): PemBlock {
  const blocks = pemBlocks(text)
  const [block] = blocks
  if (block === undefined) {
    throw invalid(
      member,
      text.includes('\\n')
        ? 'it has the two characters \\n where PEM has line breaks'
        : `it is not PEM: ${what} goes from its -----BEGIN line to its -----END line`,
    )
  }
  if (blocks.length > 1) throw invalid(member, `it has ${blocks.length} PEM blocks: ${alone}`)
  if (text.length > PEM_MAX_CHARACTERS) {
    throw invalid(member, `it is longer than ${PEM_MAX_CHARACTERS} characters`)
  }
  return block
}

/** A `credential_invalid` that names the member. Never part of its content. */
export function invalid(member: string, why: string, cause?: unknown): BrokerError {
  return new BrokerError('credential_invalid', `${member}: ${why}`, { cause })
}
