/** `valetkey freeze`, `freezes` and `thaw` over real processes. */
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { createCommandLine, hasTerminal } from '../support/command-line.ts'

t.setTimeout(120_000)

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const broker = await startBroker(t, { loginHosts: [simulator.origins.myDomain] })
const { run, inTerminal } = createCommandLine(t, {
  VALETKEY_URL: broker.url,
  VALETKEY_KEY: broker.adminKey,
})
const withoutTerminal = hasTerminal() ? {} : { skip: 'script is not on the PATH' }

for (const name of ['billing', 'crm']) {
  const app = simulator.addClientCredentialsApp()
  await broker.call('PUT', `/integrations/${name}`, {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
      labels: { team: name },
    },
  })
}

t.test('a freeze stops an integration, ends its token, and is lifted', async (t) => {
  t.equal((await run(['token', 'billing'])).code, 0)
  t.equal((await run(['token', 'crm'])).code, 0)
  const frozen = await run(['freeze', 'billing', '--reason', 'INC-4711'])
  t.match(frozen, {
    code: 0,
    stdout: /^frz_\S+: frozen since .*\n(.*\n)*.*: done, .*tokens ended 1, left 0, failed 0\n$/,
  })
  const [, id = ''] = /^(frz_[\w-]+)/.exec(frozen.stdout) ?? []
  t.match(await run(['token', 'billing']), { code: 69, stderr: /409 integration_frozen/ })
  t.equal((await run(['token', 'crm'])).code, 0)
  t.match(await run(['freezes']), {
    code: 0,
    stdout: new RegExp(`^${id} .* done +1 +0 +0 +INC-4711$`, 'm'),
  })
  t.match(await run(['freezes', id]), { code: 0, stdout: /done/ })
  t.match(JSON.parse((await run(['freezes', id, '--json'])).stdout), [{ id, state: 'done' }])
  t.match(await run(['thaw', id]), { code: 0, stdout: `${id}: lifted\n` })
  t.equal((await run(['token', 'billing'])).code, 0)
  t.match(await run(['freezes']), { code: 0, stdout: 'no freeze\n' })
})

t.test('nothing is frozen by mistake', async (t) => {
  t.match(await run(['freeze', '--reason', 'x']), { code: 64, stderr: /--label.*--all/ })
  t.match(await run(['freeze', 'billing']), { code: 64, stderr: /--reason/ })
  t.match(await run(['freeze', '--all', '--reason', 'x']), { code: 64, stderr: /--yes/ })
  t.same((await broker.call('GET', '/freezes')).body.items, [])
  const chosen = await run(['freeze', '--label', 'team:crm', '--reason', 'x', '--no-revoke'])
  t.equal(chosen.code, 0, chosen.stderr)
  t.match((await broker.call('GET', '/freezes')).body.items, [
    { selector: { labels: { team: 'crm' } }, revoke: false },
  ])
  t.equal((await run(['token', 'billing'])).code, 0)
  t.match(await run(['token', 'crm']), { code: 69 })
})

t.test('a name that is not typed right is told', async (t) => {
  const missed = await run(['freeze', 'billing', 'bililng', '--reason', 'INC-4711'])
  t.match(missed, {
    code: 1,
    stderr: /selects only 1 of the 2 integrations it names now: check the names/,
  })
  const nothing = await run(['freeze', '--label', 'team:none', '--reason', 'INC-4711'])
  t.match(nothing, { code: 1, stderr: /selects no integration now/ })
  for (const { stdout } of [missed, nothing]) {
    const [, id = ''] = /^(frz_[\w-]+)/.exec(stdout) ?? []
    t.equal((await run(['thaw', id])).code, 0)
  }
})

t.test('in a terminal, all are frozen after a question', withoutTerminal, async (t) => {
  const asking = inTerminal(['freeze', '--all', '--reason', 'INC-4711'])
  await asking.shows(/Freeze all integrations\? \[y\/N\] /)
  asking.type('y\r')
  t.equal(await asking.ended, 0)
  t.match(asking.stdout(), /: done, /)
  t.match(await run(['token', 'billing']), { code: 69, stderr: /integration_frozen/ })
})
