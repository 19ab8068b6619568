import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { readDocument } from '../support/document.ts'
import { ROOT } from '../support/project-root.ts'
import { hasCommand, startShell } from '../support/shell.ts'

const EXAMPLES: Readonly<Record<string, { command: string; needs: readonly string[] }>> = {
  'token.sh': { command: 'sh examples/token.sh', needs: ['curl', 'jq'] },
  'token.mjs': { command: 'node examples/token.mjs', needs: ['node'] },
  'token.py': { command: 'python3 examples/token.py', needs: ['python3'] },
  'token.go': { command: 'go run examples/token.go', needs: ['go'] },
  'Token.java': { command: 'java examples/Token.java', needs: ['java'] },
}

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const broker = await startBroker(t, { loginHosts: [simulator.origins.myDomain] })
const app = simulator.addClientCredentialsApp()
await broker.call('PUT', '/integrations/billing', {
  body: {
    login_url: simulator.origins.myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  },
})
const env = { VALETKEY_URL: broker.url, VALETKEY_KEY: broker.adminKey }

t.test('every example is listed, with its command', async (t) => {
  const files = readdirSync(join(ROOT, 'examples')).filter(
    (file) => !['README.md', 'clients', 'dpop', 'gateways'].includes(file),
  )
  t.strictSame(files.sort(), Object.keys(EXAMPLES).sort())
  const { text } = readDocument('examples/README.md')
  for (const { command } of Object.values(EXAMPLES)) t.match(text, `\`${command} billing\``)
})

for (const [file, { command, needs }] of Object.entries(EXAMPLES)) {
  const missing = needs.filter((tool) => !hasCommand(tool))
  const options = missing.length > 0 ? { skip: `${missing.join(', ')} not on the PATH` } : {}

  const run = async (integration: string) => {
    const shell = startShell(t, `${command} ${integration}`, { cwd: ROOT, env })
    const status = await shell.ended
    await shell.stop()
    return { status, output: shell.output() }
  }

  t.test(`${file} calls Salesforce with a token`, options, async (t) => {
    simulator.clear()
    const { status, output } = await run('billing')
    t.equal(status, 0, output)
    t.match(output, /\/services\/data\/v66\.0\/sobjects/)
    t.match(simulator.log.at(-1), { path: '/services/data/v66.0/' })
    t.equal(simulator.log.at(-1)?.outcome?.status, 200)
  })

  t.test(`${file} ends with the problem where there is no token`, options, async (t) => {
    const { status, output } = await run('nothing')
    t.not(status, 0)
    t.match(output, 'integration_not_found')
  })
}
