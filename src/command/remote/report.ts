/** The report of the doctor as lines, and `valetkey test`. */
import type { Check, DoctorSReport } from '../../client/api/integrations.ts'
import { EXITS } from '../exits.ts'
import type { CommandInput } from '../spec.ts'
import { type Colour, type Terminal, withoutControls } from '../terminal.ts'

/** The marks differ also without colours. */
const MARKS: Readonly<Record<Check['outcome'], readonly [mark: string, colour: Colour]>> = {
  passed: ['ok  ', 'green'],
  warning: ['warn', 'yellow'],
  failed: ['FAIL', 'red'],
  skipped: ['skip', 'dim'],
}

const NAME_WIDTH = 14

interface Report extends Omit<DoctorSReport, 'checks'> {
  readonly checks: readonly Pick<Check, 'check' | 'outcome' | 'detail' | 'remedy'>[]
}

export function reportText(
  { integration, ok, logins_used, logins_allowed, checks }: Report,
  { paint }: Pick<Terminal, 'paint'>,
): string {
  const lines = checks.flatMap(({ check, outcome, detail, remedy }) => {
    const [mark, colour] = MARKS[outcome]
    const row = `  ${paint(colour, mark)}  ${check.padEnd(NAME_WIDTH)}  ${withoutControls(detail)}`
    const isToDo = remedy !== null && outcome !== 'skipped'
    return isToDo ? [row, `        ${' '.repeat(NAME_WIDTH)}→ ${withoutControls(remedy)}`] : [row]
  })
  const result = ok ? paint('green', 'passed') : paint('red', 'failed')
  return [
    `${paint('bold', withoutControls(integration))}: ${result} (${logins_used} of ${logins_allowed} logins)`,
    ...lines,
    '',
  ].join('\n')
}

export async function runTest({ operands, options, terminal, broker }: CommandInput) {
  const { json = false } = options as { readonly json?: boolean }
  const { client } = await broker()
  let isWell = true
  for (const name of operands) {
    const { body } = await client.request('testIntegration', { path: { name }, body: {} })
    isWell &&= body.ok
    terminal.print(json ? JSON.stringify(body) : reportText(body, terminal))
  }
  return isWell ? EXITS.ok : EXITS.ill
}
