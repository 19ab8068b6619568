/** Formats a report as lines of text. */
import type { CheckOutcome } from './check.ts'
import { LOGINS_ALLOWED, type Report } from './doctor.ts'

interface TextOptions {
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

/** The marks differ also without colours. */
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
  const result = ok ? paint('green', 'passed') : paint('red', 'failed')
  return [
    `${paint('bold', printable(integration))}: ${result} (${loginsUsed} of ${LOGINS_ALLOWED} logins)`,
    ...lines,
    '',
  ].join('\n')
}

/** Removes control characters, because a terminal executes them. */
const printable = (text: string) => text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
