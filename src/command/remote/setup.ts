/** `valetkey setup`: what to set in Salesforce, field by field. */
import { EXITS } from '../exits.ts'
import { opensUrl } from '../open-url.ts'
import type { CommandInput } from '../spec.ts'

const SETUP_PATH = '/lightning/setup/SetupOneHome/home'

/** The Setup of the org of a login URL. */
const setupUrl = (loginUrl: string) => new URL(SETUP_PATH, loginUrl).href

export async function runSetup({ operands, options, terminal, broker }: CommandInput) {
  const { json = false, open = false } = options as {
    readonly json?: boolean
    readonly open?: boolean
  }
  const [name = ''] = operands
  const { client } = await broker()
  const path = { name }
  if (json) terminal.print(JSON.stringify((await client.request('getSetup', { path })).body))
  else terminal.print((await client.text('getSetup', 'text/markdown', path)).trimEnd())
  if (open) {
    const { body } = await client.request('getIntegration', { path })
    const url = setupUrl(body.login_url)
    if (!(await opensUrl(url))) terminal.note(`there is no browser here; open ${url}`)
  }
  return EXITS.ok
}
