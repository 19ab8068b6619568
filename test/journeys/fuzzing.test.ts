/** What is generated from the document is answered as the document says; and the document says what the code demands. */
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { unlessProvided } from '../support/apt.ts'
import { startBroker } from '../support/broker.ts'
import { fuzz, provideSchemathesis } from '../support/schemathesis.ts'

t.setTimeout(900_000)
const skip = unlessProvided(provideSchemathesis((line) => t.comment(line)))

t.test('a fuzzer that knows the document alone finds nothing', { skip }, async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const app = simulator.addClientCredentialsApp()
  const broker = await startBroker(t, {
    loginHosts: [simulator.origins.myDomain, app.loginUrl],
    env: { VALETKEY_PUBLIC_URL: 'https://valetkey.example', VALETKEY_LOG_LEVEL: 'warn' },
    // A name that a fuzzer makes up may be somebody's.
    lookup: async () => {
      throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
    },
  })
  const client = { client_id: app.clientId }
  const seeds = {
    billing: {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', ...client },
      credential: { client_secret: app.clientSecret },
    },
    approved: {
      login_url: simulator.origins.myDomain,
      grant: { type: 'refresh_token', ...client },
    },
  }
  for (const [name, body] of Object.entries(seeds)) {
    t.equal((await broker.call('PUT', `/integrations/${name}`, { body })).status, 201)
  }
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200, 'it mints')

  const { status, output } = await fuzz(broker.url, broker.adminKey, t.testdir())
  t.equal(status, 0, output)
  t.match(output, /\b[1-9]\d{2,} generated/, 'it ran')
  t.notMatch(output, 'Schema validation mismatch')
  const lines = broker.logs().split('\n')
  t.same(
    lines.filter((line) => line.includes('"code":"internal"')),
    [],
    'no bug is behind an answer',
  )
})
