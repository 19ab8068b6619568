/** A report for people, in lines of text. Pure. */
import type { CheckOutcome } from './check.ts'
import { LOGINS_ALLOWED, type Report } from './doctor.ts'

export interface TextOptions {
  /** With the escapes of a terminal. */
  readonly isColourful: boolean
}

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow'

/** SGR (ECMA-48). */
const CODES: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  green: [32, 39],
  red: [31, 39],
  yellow: [33, 39],
}

/** Told apart without colours, too. */
const MARKS: Readonly<Record<CheckOutcome, readonly [mark: string, style: Style]>> = {
  passed: ['ok  ', 'green'],
  warning: ['warn', 'yellow'],
  failed: ['FAIL', 'red'],
  skipped: ['skip', 'dim'],
}

const NAME_WIDTH = 14

export function reportText({ integration, ok, loginsUsed, checks }: Report, options: TextOptions) {
  const paint = (style: Style, text: string) => {
    const [on, off] = CODES[style]
    return options.isColourful ? `\u001b[${on}m${text}\u001b[${off}m` : text
  }
  const lines = checks.flatMap(({ check, outcome, detail, remedy }) => {
    const [mark, style] = MARKS[outcome]
    const row = `  ${paint(style, mark)}  ${check.padEnd(NAME_WIDTH)}  ${printable(detail)}`
    const isToDo = remedy !== null && outcome !== 'skipped'
    return isToDo ? [row, `        ${' '.repeat(NAME_WIDTH)}→ ${printable(remedy)}`] : [row]
  })
  const verdict = ok ? paint('green', 'well') : paint('red', 'ill')
  return [
    `${paint('bold', printable(integration))}: ${verdict} (${loginsUsed} of ${LOGINS_ALLOWED} logins)`,
    ...lines,
    '',
  ].join('\n')
}

/** What stands in a file is an operator's, but a terminal obeys anybody. */
const printable = (text: string) => text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
