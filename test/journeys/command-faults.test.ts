/** The remote commands where something is in their way: a broker that hangs or is away, odd files, texts that a terminal would execute, and changes in between. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createCommandLine } from '../support/command-line.ts'
import { eventually } from '../support/eventually.ts'

t.setTimeout(120_000)

const KEY = 'vk_0123abcd_0123456789abcdefghijklmnop'
const { home, run, spawned } = createCommandLine(t, { VALETKEY_KEY: KEY })
const NO_BROKER = { VALETKEY_URL: undefined, VALETKEY_KEY: undefined }

/** Undefined: it never answers. */
type Answer = readonly [status: number, body: object] | undefined

/** A broker that answers as the test says. */
async function brokerOf(t: Test, answerTo: (request: IncomingMessage) => Answer) {
  const asked: string[] = []
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    asked.push(`${request.method} ${request.url}`)
    const answer = answerTo(request)
    if (!answer) return
    const type = answer[0] < 400 ? 'application/json' : 'application/problem+json'
    response.writeHead(answer[0], { 'content-type': type }).end(JSON.stringify(answer[1]))
  }
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const end = () => {
    server.closeAllConnections()
    server.close()
  }
  t.teardown(end)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { asked, end, url, env: { VALETKEY_URL: url } }
}

const pageOf = (...items: readonly object[]): Answer => [200, { items, next_cursor: null }]

const integrationOf = (name: string, more: object = {}) => ({
  name,
  labels: {},
  status: {
    ...{ state: 'ready', lease: null, last_refusal: null, logins_last_hour: 0 },
    ...{ certificate_expires_at: null, ...more },
  },
})

t.test('Ctrl-C ends a view at once although the broker hangs', async (t) => {
  const { asked, env } = await brokerOf(t, () => (asked.length > 1 ? undefined : pageOf()))
  for (const view of ['status --watch', 'audit --follow']) {
    asked.length = 0
    const watching = spawned(view.split(' '), { env })
    await eventually(() => asked.length > 1)
    const begin = performance.now()
    watching.child.kill('SIGINT')
    t.equal(await watching.ended, 130, view)
    // A request that nothing ends takes 30 s.
    t.ok(performance.now() - begin < 15_000)
  }
})

t.test('a freeze without an answer may be in force, and says so', async (t) => {
  const { asked, end, env } = await brokerOf(t, () => undefined)
  const args = ['freeze', 'billing', '--reason', 'INC-4711']
  const interrupted = spawned(args, { env })
  await eventually(() => asked.length === 1)
  interrupted.child.kill('SIGINT')
  t.equal(await interrupted.ended, 130)
  t.match(interrupted.stderr(), /may have the order all the same: valetkey freezes lists/)
  const cut = spawned(args, { env })
  await eventually(() => asked.length === 2)
  end()
  t.equal(await cut.ended, 69)
  t.match(cut.stderr(), /cannot be reached.*may have the order all the same/)
})

t.test('a freeze that was lifted before anybody looked misses nothing', async (t) => {
  const lifted = {
    ...{ id: 'frz_1', since: '2026-11-30T10:00:00.000Z', reason: 'INC-4711', state: 'lifted' },
    ...{ selector: { labels: { team: 'crm' } }, integrations: { selected: null, looked_at: 0 } },
    ...{ tokens: { done: 0, left: 0, failed: 0 }, connections_ended: 0, failures: [] },
  }
  const { env } = await brokerOf(t, () => [200, lifted])
  const { code, stdout, stderr } = await run(['freezes', 'frz_1'], { env })
  t.same({ code, stderr }, { code: 0, stderr: '' })
  t.match(stdout, /^frz_1: lifted, /m)
  t.notMatch(stdout, 'null')
})

t.test('an audit event cannot write to the terminal', async (t) => {
  const event = {
    ...{ id: '1', at: '2026-11-30T10:00:00.000Z', action: 'request.denied', outcome: 'denied' },
    ...{
      integration: null,
      principal: 'jwt:\u001b[2Jissuer',
      detail: { reason: '\u001b]0;x\u0007' },
    },
  }
  const { env } = await brokerOf(t, () => pageOf(event))
  const { code, stdout } = await run(['audit'], { env })
  t.equal(code, 0)
  t.match(stdout, /^2026-11-30T10:00:00\.000Z denied {2}request\.denied - jwt: \[2Jissuer /)
  for (const control of ['\u001b', '\u0007']) t.notMatch(stdout, control)
})

t.test('an event that is stored after a later one is followed too, and each once', async (t) => {
  const base = {
    action: 'token.minted',
    outcome: 'success',
    integration: 'billing',
    principal: null,
  }
  const eventOf = (id: string, at: string) => ({ ...base, id, at: `2026-11-30T10:00:${at}.000Z` })
  const events = [eventOf('second', '20'), eventOf('first', '10')]
  const { env, asked } = await brokerOf(t, ({ url }) => {
    const since = new URL(url ?? '', 'http://x').searchParams.get('since') ?? ''
    return pageOf(...events.filter(({ at }) => at >= since))
  })
  const following = spawned(['audit', '--follow', '--json'], { env })
  const ids = () => [...following.stdout().matchAll(/"id":"(\w+)"/g)].map(([, id]) => id)
  await eventually(() => ids().length === 2)
  events.unshift(eventOf('late', '25'), eventOf('third', '30'))
  await eventually(() => ids().length === 4)
  events.unshift(eventOf('later', '28'))
  await eventually(() => ids().length === 5)
  const rounds = asked.length
  await eventually(() => asked.length > rounds)
  t.same(ids(), ['first', 'second', 'third', 'late', 'later'])
  following.child.kill('SIGINT')
  t.equal(await following.ended, 130)
})

t.test('the state of what is frozen, and of what was deleted meanwhile', async (t) => {
  const frozen = { id: 'frz_1', since: '2026-11-30T10:00:00.000Z', reason: 'INC-4711' }
  const { env } = await brokerOf(t, ({ url }) =>
    url?.includes('/gone/callers')
      ? [404, { code: 'integration_not_found', status: 404, detail: 'There is none' }]
      : url?.includes('/callers')
        ? pageOf()
        : pageOf(integrationOf('billing', { frozen }), integrationOf('gone')),
  )
  const { code, stdout } = await run(['status'], { env })
  t.equal(code, 0)
  t.match(stdout, /^billing +frozen .* 0 +-$/m)
  t.match(stdout, /^gone +ready .* - +-$/m)
  const watching = spawned(['status', '--watch'], { env })
  await watching.shows(/^billing frozen\ngone ready\n$/)
  watching.child.kill('SIGINT')
  t.equal(await watching.ended, 130)
})

t.test('a text that was edited is not lost with the broker', async (t) => {
  const { env, end } = await brokerOf(t, () => [200, integrationOf('billing')])
  writeFileSync(
    join(home, 'editor'),
    'touch began; until test -e go; do sleep 0.1; done; echo "integrations: { billing: { description: mine } }" > "$1"',
  )
  const editing = spawned(['edit', 'billing'], { env: { ...env, EDITOR: 'sh ./editor' } })
  await eventually(() => existsSync(join(home, 'began')))
  end()
  writeFileSync(join(home, 'go'), '')
  t.equal(await editing.ended, 69)
  const [, kept = ''] = /cannot be reached.*Your text is in (\S+)/.exec(editing.stderr()) ?? []
  t.match(readFileSync(kept, 'utf8'), 'description: mine')
})

t.test('a key that cannot be written is named, so that it can be revoked', async (t) => {
  const path = join(home, 'lost.key')
  const { env } = await brokerOf(t, () => {
    rmSync(path)
    mkdirSync(path)
    return [201, { id: '0123abcd', key: KEY, expires_at: '2027-11-30T10:00:00.000Z' }]
  })
  const args = ['keys', 'create', 'x', '--permission', 'tokens:read', '--integration', '*']
  const lost = await run([...args, '--out', path], { env })
  t.match(lost, { code: 74, stdout: '', stderr: /EISDIR.*valetkey keys revoke 0123abcd/ })
  t.notMatch(lost.stderr, KEY)
})

t.test('what is typed by mistake is refused before it is sent, and not repeated', async (t) => {
  const { asked, env } = await brokerOf(t, () => pageOf())
  for (const name of ['', '.', '..']) {
    t.match(await run(['delete', 'billing', name, '--yes'], { env }), {
      code: 64,
      stderr: /must not be empty or consist of dots/,
    })
  }
  const jwt = `eyJ${'a'.repeat(20)}.eyJ${'b'.repeat(20)}.${'c'.repeat(20)}`
  const secrets = [KEY, jwt, 'hunter2']
  for (const secret of secrets) {
    const { code, stdout, stderr } = await run(['token', 'billing', `--key=${secret}`], { env })
    t.same({ code, stdout }, { code: 64, stdout: '' })
    t.notMatch(stderr, secret)
  }
  t.same(asked, [])
})

t.test('odd files of contexts are refused without a word of the key', async (t) => {
  const config = join(home, '.config/valetkey/config.yaml')
  mkdirSync(join(home, '.config/valetkey'), { recursive: true })
  const refused = async (text: string, says: RegExp) => {
    writeFileSync(config, text, { mode: 0o600 })
    const { code, stdout, stderr } = await run(['token', 'billing'], { env: NO_BROKER })
    t.same({ code, stdout }, { code: 78, stdout: '' }, text)
    t.match(stderr, says)
    t.notMatch(stderr, KEY)
  }
  const of = (one: string) => `current: a\ncontexts:\n  a: ${one}\n`
  await refused(of(`{ url: ftp://x, key: ${KEY} }`), /config\.yaml: contexts\.a\.url: must be/)
  await refused(of(`{ url: http://x, key: "${KEY} x" }`), /contexts\.a\.key: must be/)
  await refused(of(`{ url: http://x, key: !secret { ${KEY}: 1 } }`), /needs url and key/)
  await refused(of(`{ url: http://x, key: [${KEY}`), /cannot be read as YAML/)
  await refused(of(`{ url: http://x, key: *${KEY} }`), /cannot be read as YAML/)
  await refused(`current: b\ncontexts: [${KEY}]\n`, /needs url and key/)
  await refused('', /VALETKEY_URL: .*valetkey login/)
  await refused(`? { ${KEY}: 1 }\n: 2\n`, /VALETKEY_URL: .*valetkey login/)
  rmSync(config)
})

t.test('a context that exists becomes the current one, whatever VALETKEY_URL is', async (t) => {
  const { asked, env, url } = await brokerOf(t, () => [200, { principal: 'admin' }])
  const config = join(home, '.config/valetkey/config.yaml')
  const login = ['login', 'production', '--url', url]
  t.match(await run(login, { env: NO_BROKER, stdin: KEY }), { code: 0 })
  const before = readFileSync(config, 'utf8')
  const chosen = await run(['login', 'production'], {
    env: { VALETKEY_URL: 'http://127.0.0.1:9' },
    stdin: KEY,
  })
  t.match(chosen, {
    code: 0,
    stderr: /context production\n.*VALETKEY_URL is set, and commands use/,
  })
  t.equal(readFileSync(config, 'utf8'), before)
  t.equal((await run(['login', 'staging'], { env, stdin: KEY })).code, 0)
  t.match(asked, ['GET /whoami', 'GET /whoami'])
})

t.test('odd YAML is refused with its file, and shows nothing of it', async (t) => {
  const level = (from: string, to: string) => `${to}: &${to} [${Array(10).fill(`*${from}`)}]\n`
  const bomb = `a: &a [${Array(10).fill('x')}]\n${level('a', 'b')}${level('b', 'c')}`
  for (const text of [bomb, 'login_url: *hunter2\n']) {
    writeFileSync(join(home, 'odd.yaml'), text)
    const refused = await run(['apply', '-f', 'odd.yaml'])
    t.match(refused, { code: 65, stdout: '', stderr: /^valetkey: odd\.yaml: / }, refused.stderr)
    t.notMatch(refused.stderr, 'hunter2')
  }
  writeFileSync(join(home, 'odd.yaml'), '? { hunter2: 1 }\n: !hunter2 2\n')
  const warned = await run(['apply', '-f', 'odd.yaml'])
  t.match(warned, { code: 65, stdout: '' })
  t.notMatch(warned.stderr, /Warning/)
})
