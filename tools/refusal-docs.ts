/** Generates the table of REST API errors for the documentation. Pure. */
import { REST_REFUSALS, type RestRefusalRow } from '../src/grants/refusals/rest-refusal-table.ts'

export function renderRestRefusals(): string {
  const rows = Object.values<RestRefusalRow>(REST_REFUSALS).map((row) => {
    const { cause, remedy, setupPath, source } = row
    const todo = setupPath === null ? remedy : `${remedy} *${setupPath}*`
    return `| ${saidIn(row)} | ${cause} | ${todo} | ${source} |`
  })
  return ['| says | cause | what to do | source |', '|---|---|---|---|', ...rows].join('\n')
}

/** How to recognise the error: its codes, or its statuses without a known code, and parts of its text. */
function saidIn({ codes, statuses = [], texts = [] }: RestRefusalRow): string {
  const named = [...codes.map((code) => code.toUpperCase()), ...statuses.map(String)]
  const words = texts.map((text) => `"…${text}…"`).join(' or ')
  const said = named.map((one) => `\`${one}\``).join(', ')
  return words === '' ? said : `${said} with ${words}`
}
