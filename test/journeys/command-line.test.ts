/** The remote commands over real processes, against a real broker and the simulator: in a pipe and in a terminal. */
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { createCommandLine, hasTerminal } from '../support/command-line.ts'
import { ENTRY_POINT } from '../support/entry-point.ts'
import { eventually } from '../support/eventually.ts'

t.setTimeout(120_000)

let aheadMs = 0
const now = () => Date.now() + aheadMs
const simulator = await startSimulator({ now })
t.teardown(() => simulator.stop())
const broker = await startBroker(t, { loginHosts: [simulator.origins.myDomain], now })
const { home, run, inTerminal, spawned } = createCommandLine(t, {
  VALETKEY_URL: broker.url,
  VALETKEY_KEY: broker.adminKey,
})
const withoutTerminal = hasTerminal() ? {} : { skip: 'script is not on the PATH' }

const app = simulator.addClientCredentialsApp()
const definition = {
  login_url: app.loginUrl,
  grant: { type: 'client_credentials', client_id: app.clientId },
}
const put = await broker.call('PUT', '/integrations/billing', {
  body: {
    ...definition,
    labels: { team: 'billing' },
    credential: { client_secret: app.clientSecret },
  },
})
t.equal(put.status, 201)
const tokenOf = async (name: string): Promise<string> =>
  (await broker.call('GET', `/tokens/${name}`)).body.access_token

t.test('token in each form', async (t) => {
  const token = await tokenOf('billing')
  const printed = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await run(['token', 'billing', ...args])
    t.same({ code, stderr }, { code: 0, stderr: '' })
    return stdout
  }
  t.equal(await printed(), `${token}\n`)
  t.equal(await printed('--output', 'header'), `Authorization: Bearer ${token}\n`)
  t.equal(await printed('-o', 'curl'), `header = "Authorization: Bearer ${token}"\n`)
  t.equal(
    await printed('-o', 'env'),
    `export SF_ACCESS_TOKEN='${token}'\nexport SF_ORG_INSTANCE_URL='${simulator.origins.myDomain}'\n`,
  )
  const { token_id } = JSON.parse(await printed('--output=json', '--min-ttl', '60'))
  const still = await run(['token', 'billing', '--rejected', token_id])
  t.match(still, { code: 69, stdout: '', stderr: /answered 409 token_still_live/ })
})

t.test('status as a table of 100 columns, without colours in a pipe', async (t) => {
  const { code, stdout } = await run(['status'])
  t.equal(code, 0)
  t.match(stdout, /^NAME +STATE +TOKEN +REFRESH +CERT +LOGINS\/H +CALLERS +LAST REFUSAL\n/)
  t.match(stdout, /^billing +ready +\d+[smh] +\d+[smh] +- +\d+ +\d+ +-$/m)
  t.notMatch(stdout, '\u001b')
  for (const line of stdout.split('\n')) t.ok(line.length <= 100, line)
  t.match(await run(['status', '--label', 'team:none']), { code: 0, stdout: 'no integration\n' })
  t.match(JSON.parse((await run(['status', 'billing', '--json'])).stdout), {
    items: [{ name: 'billing', status: { state: 'ready' } }],
  })
})

t.test('status ends with 1 if an integration needs a person', async (t) => {
  const wrong = simulator.addClientCredentialsApp()
  await broker.call('PUT', '/integrations/wrong', {
    body: {
      login_url: wrong.loginUrl,
      grant: { type: 'client_credentials', client_id: wrong.clientId },
      credential: { client_secret: 'not-the-secret' },
    },
  })
  // A refusal just after a change is one that may be temporary.
  aheadMs += 11 * 60_000
  await broker.call('GET', '/tokens/wrong')
  const found = await run(['status', '--state', 'refused'])
  t.match(found, { code: 1, stdout: /^wrong +refused .*[a-z]+( [a-z]+){0,2}$/m })
  t.equal((await run(['status', 'billing'])).code, 0)
  t.equal((await run(['delete', 'wrong', '--yes'])).code, 0)
})

t.test('status in a terminal', withoutTerminal, async (t) => {
  const red = inTerminal(['status'])
  t.equal(await red.ended, 0)
  t.match(red.stdout(), '\u001b[32mready')
  for (const options of [{ env: { NO_COLOR: '1' } }, { args: ['--no-color'] }]) {
    const { args = [], env } = options as { args?: string[]; env?: Record<string, string> }
    const plain = inTerminal(['status', ...args], { ...(env && { env }) })
    t.equal(await plain.ended, 0)
    t.match(plain.stdout(), /billing +ready/)
    t.notMatch(plain.stdout(), '\u001b[')
  }
  const watching = inTerminal(['status', '--watch'])
  await watching.shows(/(?:ready.*){2}/s)
  watching.type('\u0003')
  t.equal(await watching.ended, 130)
})

t.test('a status that is watched in a pipe tells changes alone', async (t) => {
  const watching = spawned(['status', '--watch'])
  await watching.shows(/^billing ready\n$/)
  t.equal((await run(['disable', 'billing'])).code, 0)
  await watching.shows(/^billing ready\nbilling disabled\n$/)
  t.equal((await run(['enable', 'billing'])).code, 0)
  watching.child.kill('SIGINT')
  t.equal(await watching.ended, 130)
})

t.test('what is watched goes on after the broker was away', async (t) => {
  let isAway = false
  const front = createServer(async ({ url, headers, socket }, response) => {
    if (isAway) return socket.destroy()
    const { authorization = '' } = headers
    const answer = await fetch(`${broker.url}${url}`, { headers: { authorization } })
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    return response.end(await answer.text())
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  t.teardown(() => front.close())
  const { port } = front.address() as AddressInfo
  const env = { VALETKEY_URL: `http://127.0.0.1:${port}` }
  const watching = spawned(['status', '--watch'], { env })
  const following = spawned(['audit', '--follow', '--action', 'integration.changed'], { env })
  await watching.shows(/^billing ready\n$/)
  await following.shows(/integration\.changed/)
  isAway = true
  await eventually(() => /; trying again/.test(watching.stderr()))
  t.equal((await run(['disable', 'billing'])).code, 0)
  isAway = false
  const before = following.stdout().length
  await watching.shows(/^billing ready\nbilling disabled\n$/)
  await eventually(() => following.stdout().length > before)
  t.equal((await run(['enable', 'billing'])).code, 0)
  for (const one of [watching, following]) {
    one.child.kill('SIGINT')
    t.equal(await one.ended, 130)
  }
})

t.test('apply creates, tells differences, changes nothing twice, and prunes', async (t) => {
  const file = join(home, 'integrations.yaml')
  writeFileSync(join(home, 'secret'), `${app.clientSecret}\n`)
  const write = (members: object) =>
    writeFileSync(
      file,
      JSON.stringify({
        callers: [],
        integrations: {
          lake: { login_url: app.loginUrl, grant: { type: 'data_cloud', integration: 'source' } },
          source: { ...definition, credential: { client_secret_file: 'secret' }, ...members },
        },
      }),
    )
  write({})
  const args = ['apply', '-f', file]
  const dry = await run([...args, '--dry-run'])
  t.match(dry, {
    code: 0,
    stdout: /source: to create\n.*lake: to create/s,
    stderr: /callers are not applied/,
  })
  t.equal((await broker.call('GET', '/integrations/source')).status, 404)
  t.match(await run(args), { code: 0, stdout: /source: created\n.*lake: created/s })
  t.match(await run(args), { code: 0, stdout: 'source: unchanged\nlake: unchanged\n' })
  t.ok(await tokenOf('source'))
  write({ token_lifetime: 1800, labels: { team: 'lake' } })
  t.match(await run(args), {
    code: 0,
    stdout: /~ labels: .*\n.*~ token_lifetime: 900 → 1800\nsource: changed\nlake: unchanged\n/s,
  })
  write({})
  t.match(await run(args), { code: 0, stdout: /~ token_lifetime: 1800 → 900\n/ })
  const unasked = await run([...args, '--prune'])
  t.match(unasked, { code: 64, stderr: /Delete billing.*--yes/ })
  writeFileSync(file, JSON.stringify({ integrations: { billing: definition } }))
  const pruned = await run([...args, '--prune', '--yes'])
  t.match(pruned, { code: 0, stdout: /lake: deleted\nsource: deleted\n/ })
  t.same((await broker.call('GET', '/integrations')).body.items.length, 1)
})

t.test('apply refuses a secret in the file, and says no part of it', async (t) => {
  const file = join(home, 'bad.yaml')
  const refused = async (text: string) => {
    writeFileSync(file, text)
    const { code, stdout, stderr } = await run(['apply', '-f', file])
    t.equal(stdout, '')
    t.notMatch(stderr, 'hunter2')
    return { code, stderr }
  }
  const entry =
    'login_url: https://acme.my.salesforce.com\ncredential: { client_secret: hunter2 }\n'
  t.match(await refused(entry), { code: 65, stderr: /use client_secret_file/ })
  t.match(await refused('a: [hunter2'), { code: 65, stderr: /line 1: is not valid YAML/ })
  t.match(await refused('integration: {}'), { code: 65, stderr: /is not a member/ })
  t.match(await refused('{}'), { code: 65, stderr: /there is no integration/ })
  t.match(await run(['apply', '-f', 'nowhere.yaml']), { code: 66, stderr: /does not exist/ })
  t.match(await run(['apply']), { code: 64, stderr: /--file/ })
})

t.test('get, edit and apply go together', async (t) => {
  const got = await run(['get', 'billing'])
  t.equal(got.code, 0)
  const { integrations } = parse(got.stdout)
  t.match(integrations.billing, { login_url: app.loginUrl, enabled: true })
  writeFileSync(join(home, 'got.yaml'), got.stdout)
  t.match(await run(['apply', '-f', 'got.yaml']), { code: 0, stdout: 'billing: unchanged\n' })
  const edited = await run(['edit', 'billing'], {
    env: { EDITOR: 'sed -i s/keep_warm:.false/keep_warm:\\ true/' },
  })
  t.match(edited, { code: 0, stdout: /~ keep_warm: false → true\nbilling: changed\n/ })
  t.match(await run(['edit', 'billing'], { env: { EDITOR: 'true' } }), {
    code: 0,
    stdout: 'billing: unchanged\n',
  })
  const wrong = await run(['edit', 'billing'], {
    env: { EDITOR: 'sed -i s/keep_warm:.true/keep_warm:\\ maybe/' },
  })
  t.match(wrong, { code: 69, stderr: /request_invalid.*Your text is in (\S+)/ })
  const [, kept = ''] = /Your text is in (\S+)/.exec(wrong.stderr) ?? []
  t.match(readFileSync(kept, 'utf8'), 'keep_warm: maybe')
  t.equal(statSync(kept).mode & 0o777, 0o600)
})

t.test('test, setup and audit say what the API says', async (t) => {
  t.match(await run(['test', 'billing']), { code: 0, stdout: /^billing: passed/ })
  t.match(await run(['setup', 'billing']), { code: 0, stdout: /^# / })
  t.match(JSON.parse((await run(['setup', 'billing', '--json'])).stdout), {
    integration: 'billing',
  })
  const audited = await run(['audit', '--integration', 'billing', '--since', '1h', '--json'])
  const events = audited.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.ok(events.length > 2)
  t.same(
    events.map(({ at }) => at),
    events.map(({ at }) => at).toSorted(),
  )
  t.match(await run(['audit', '--since', 'yesterday']), { code: 64, stderr: /neither a time/ })
  const following = spawned(['audit', '--follow', '--action', 'integration.changed'])
  await following.shows(/integration\.changed billing admin/)
  t.equal((await run(['disable', 'billing'])).code, 0)
  t.equal((await run(['enable', 'billing'])).code, 0)
  const { stdout: all } = await run(['audit', '--action', 'integration.changed'])
  await eventually(() => following.stdout() === all)
  following.child.kill('SIGINT')
  t.equal(await following.ended, 130)
})

t.test('a command that goes on ends when nobody reads it any more', async (t) => {
  const following = spawned(['audit', '--follow'])
  await following.shows(/\n/)
  following.child.stdout?.destroy()
  t.equal((await run(['disable', 'billing'])).code, 0)
  t.equal((await run(['enable', 'billing'])).code, 0)
  t.equal(await following.ended, 130)
})

t.test('keys are made, listed and revoked, and are shown once', async (t) => {
  const made = await run([
    ...['keys', 'create', 'service', '--permission', 'tokens:read'],
    ...['--integration', 'billing', '--expires', '30d', '--out', 'service.key'],
  ])
  t.match(made, { code: 0, stdout: '', stderr: /it is shown only now, and is in service.key/ })
  const path = join(home, 'service.key')
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.match(await run(['token', 'billing', '--key-file', path]), { code: 0 })
  t.match(await run(['status', '--key-file', path]), { code: 69, stderr: /caller_forbidden/ })
  const listed = await run(['keys', 'list'])
  const [, id = ''] = /^service +(\S{8}) /m.exec(listed.stdout) ?? []
  t.match(await run(['keys', 'revoke', id]), { code: 0, stdout: `${id}: revoked\n` })
  t.match(await run(['token', 'billing', '--key-file', path]), {
    code: 69,
    stderr: /answered 401 caller_unauthenticated/,
  })
})

t.test('login keeps a context that others cannot read', async (t) => {
  const env = { VALETKEY_URL: undefined, VALETKEY_KEY: undefined }
  const config = join(home, '.config/valetkey/config.yaml')
  t.match(await run(['status'], { env }), { code: 78, stderr: /VALETKEY_URL: .*valetkey login/ })
  const wrong = await run(['login', '--url', broker.url], { env, stdin: 'vk_wrong\n' })
  t.match(wrong, { code: 69, stderr: /401/ })
  t.notMatch(wrong.stderr, 'vk_wrong')
  const args = ['login', 'production', '--url', broker.url]
  const done = await run(args, { env, stdin: `${broker.adminKey}\n` })
  t.match(done, { code: 0, stdout: '', stderr: /signed in as admin/ })
  t.equal(statSync(config).mode & 0o777, 0o600)
  t.equal(statSync(join(home, '.config/valetkey')).mode & 0o777, 0o700)
  t.match(await run(['status', 'billing'], { env }), { code: 0, stdout: /billing/ })
  t.match(await run(['status', '--context', 'none'], { env }), {
    code: 78,
    stderr: /is no context/,
  })
  // The key of a context goes to no other broker.
  const elsewhere = await run(['status', '--url', 'http://127.0.0.1:9'], { env })
  t.match(elsewhere, { code: 78, stderr: /VALETKEY_KEY: / })
  chmodSync(config, 0o644)
  t.match(await run(['status'], { env }), { code: 78, stderr: /others may read its keys/ })
  chmodSync(config, 0o600)
  t.match(await run(['logout'], { env }), { code: 0, stderr: /the key|its key stays valid/ })
  t.match(await run(['status'], { env }), { code: 78 })
})

t.test('login asks in a terminal and shows no key', withoutTerminal, async (t) => {
  const env = { VALETKEY_URL: undefined, VALETKEY_KEY: undefined }
  const asking = inTerminal(['login', '--url', broker.url], { env })
  await asking.shows(/API key for http\S+: /)
  asking.type(`${broker.adminKey}\r`)
  t.equal(await asking.ended, 0)
  t.match(asking.stdout(), 'signed in as admin')
  t.notMatch(asking.stdout(), broker.adminKey)
})

t.test('a key is not typed where its echo would show', withoutTerminal, async (t) => {
  const command = `'${process.execPath}' '${ENTRY_POINT}' login --url ${broker.url} 2> /dev/null`
  const { status } = spawnSync('script', ['-qec', command, '/dev/null'], {
    env: { PATH: process.env.PATH, HOME: home },
  })
  t.equal(status, 64)
})

t.test('a question in a terminal can be declined', withoutTerminal, async (t) => {
  const left = inTerminal(['delete', 'billing'])
  await left.shows(/\[y\/N\] /)
  left.type('\u0003')
  t.equal(await left.ended, 130)
  const asking = inTerminal(['delete', 'billing'])
  await asking.shows(/\[y\/N\] /)
  asking.type('n\r')
  t.equal(await asking.ended, 1)
  t.equal((await broker.call('GET', '/integrations/billing')).status, 200)
})
