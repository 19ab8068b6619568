/** `valetkey policy suggest`: the smallest `requests` for each caller of an integration, from what it asked for in the last 30 days. */
import type { CallerCount } from '../../client/api/usage.ts'
import { EXITS } from '../exits.ts'
import type { CommandInput } from '../spec.ts'
import { withoutControls } from '../terminal.ts'
import { pagesOf } from './pages.ts'

type Called = NonNullable<CallerCount['requests']>[number]

interface Suggested {
  readonly principal: string
  /** For the `requests` of its key or its entry. */
  readonly requests: readonly string[]
  /** Those that were refused. */
  readonly refused: readonly string[]
}

/** Gives 1 if nobody named a request. */
export async function runPolicySuggest({ operands, options, terminal, broker }: CommandInput) {
  const { json = false } = options as { readonly json?: boolean }
  const [name = ''] = operands
  const { client } = await broker()
  const pages = await pagesOf((query) =>
    client.request('listIntegrationCallers', { path: { name }, query }),
  )
  const suggested = pages.flatMap(({ items }) => items).flatMap(suggestionsFor)
  if (json) terminal.print(JSON.stringify({ integration: name, callers: suggested }))
  else for (const line of suggested.flatMap(linesOf)) terminal.print(withoutControls(line))
  if (suggested.length > 0) return EXITS.ok
  terminal.note(`${name}: nobody named a request to Salesforce in the last 30 days`)
  return EXITS.ill
}

function suggestionsFor({ principal, requests = [] }: CallerCount): readonly Suggested[] {
  if (requests.length === 0) return []
  const patternsOf = (outcome: Called['outcome']) =>
    requests.filter((one) => one.outcome === outcome).map(({ method, path }) => `${method} ${path}`)
  const permitted = patternsOf('permitted')
  const refused = patternsOf('refused').filter((pattern) => !permitted.includes(pattern))
  return [{ principal, requests: permitted, refused }]
}

const linesOf = ({ principal, requests, refused }: Suggested): readonly string[] => [
  principal,
  '  requests:',
  ...requests.map((pattern) => `    - ${pattern}`),
  ...(refused.length > 0 ? ['  refused; add what it should do:'] : []),
  ...refused.map((pattern) => `    - ${pattern}`),
]
