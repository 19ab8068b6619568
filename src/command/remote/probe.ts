/** `valetkey probe dpop`: what the org of an integration does with DPoP. */
import { confirmed } from '../ask.ts'
import { EXITS } from '../exits.ts'
import type { CommandInput } from '../spec.ts'
import { tableLines } from '../table-text.ts'

const HEAD = ['PROBE', 'RESULT', 'ANSWER', 'QUESTION']
const PROBE_WIDTH = 30

interface ProbeFlags {
  readonly yes?: boolean
  readonly output?: 'table' | 'json'
}

/** Gives 1 if the person says no. */
export async function runProbeDpop({ operands, options, terminal, broker }: CommandInput) {
  const { yes = false, output = 'table' } = options as ProbeFlags
  const [name = ''] = operands
  const { client } = await broker()
  const question = `Make up to 8 logins as ${name}, and some 30 requests that only read? Its token in use may be bound to another key.`
  if (!yes && !(await confirmed(terminal, question))) return EXITS.ill
  const { body } = await client.request('probeDpop', { path: { name }, body: {} })
  if (output === 'json') {
    terminal.print(JSON.stringify(body))
    return EXITS.ok
  }
  const { at, grant, posture, newest_api_version, logins_used, probes } = body
  terminal.print(
    `${at}  ${grant}  posture ${posture}  newest API ${newest_api_version ?? 'unknown'}  ${logins_used} logins`,
  )
  const rows = probes.map(({ probe, result, detail, question }) =>
    [probe, result.replace('_', ' '), detail, question].map((text) => ({ text })),
  )
  for (const line of tableLines(terminal, HEAD, rows, PROBE_WIDTH)) terminal.print(line)
  return EXITS.ok
}
