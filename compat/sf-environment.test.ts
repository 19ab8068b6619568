/** What `valetkey token --output env` gives, with the real command line of Salesforce. `npm run compat -- environment` runs it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { startClientWorld } from '../test/clients/client-world.ts'
import { SF } from '../test/clients/toolchains/sf.ts'
import { unlessProvided } from '../test/support/apt.ts'

t.setTimeout(600_000)

const ENTRY_POINT = new URL('../src/valetkey.js', import.meta.url).pathname
const execute = promisify(execFile)
const skip = unlessProvided(await SF.provide((line) => t.comment(line)))
const world = await startClientWorld(t)
await world.addIntegration('billing')
const { key } = await world.makeKey('billing', ['billing'])
const front = await world.front(t)

t.test('sf logs in with the variables, and queries', { skip }, async (t) => {
  const script = `eval "$("$NODE" "$VALETKEY" token billing --output env)"
    sf org login access-token --no-prompt --alias salesforce --instance-url "$SF_ORG_INSTANCE_URL" >&2
    sf data query --target-org salesforce --result-format csv --query 'SELECT Id FROM Organization'`
  const { stdout } = await execute('sh', ['-euc', script], {
    cwd: world.dir,
    timeout: 300_000,
    env: {
      ...SF.env(world.caFile),
      HOME: world.dir,
      NODE: process.execPath,
      VALETKEY: ENTRY_POINT,
      VALETKEY_URL: front.url,
      VALETKEY_KEY: key,
    },
  })
  t.match(stdout, world.simulator.acme.id)
})
