/** `valetkey doctor FILE`: the same doctor for a pipeline, with no broker and no store. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { startSimulator } from '../../simulator/simulator.ts'
import { ConfigError } from '../../src/config/config-error.ts'
import { diagnose } from '../../src/process/diagnose.ts'
import { endWithThisProcess } from '../support/children.ts'
import { ENTRY_POINT } from '../support/entry-point.ts'
import { hasCommand } from '../support/shell.ts'
import { newSigningKey } from '../support/signing-key.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const [key, stranger] = await Promise.all([newSigningKey(), newSigningKey('stranger')])
const folder = t.testdir({
  'key.pem': key.privateKey,
  'certificate.pem': key.certificate,
  'stranger.pem': stranger.certificate,
  'broken.yaml': 'integrations: [',
  'loud.yaml': 'integrations: { "\\e[31m": {} }',
  'empty.yaml': '',
})
const path = (name: string) => join(folder, name)
const app = simulator.addJwtApp({ certificatePem: key.certificate })

const billing = {
  login_url: myDomain,
  grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
  credential: { private_key_file: path('key.pem'), certificate_file: path('certificate.pem') },
}

function file(name: string, content: object): string {
  writeFileSync(path(name), stringify(content))
  return path(name)
}

interface Report {
  readonly integration: string
  readonly logins_used: number
  readonly checks: readonly {
    readonly check: string
    readonly outcome: string
    readonly detail: string
  }[]
}

interface Run {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** Put before the command. */
  readonly through?: readonly string[]
}

async function doctor(args: readonly string[], { env, stdin = '', through = [] }: Run = {}) {
  const [command = '', ...rest] = [
    ...through,
    ...[process.execPath, ENTRY_POINT, 'doctor'],
    ...args,
  ]
  const child = endWithThisProcess(
    spawn(command, rest, {
      cwd: folder,
      env: { PATH: process.env.PATH, VALETKEY_LOGIN_HOSTS: myDomain, TERM: 'xterm', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    }),
  )
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (text) => {
      output[name] += text
    })
  }
  child.stdin?.end(stdin)
  const [code] = await once(child, 'close')
  return { code, ...output }
}

/** The same without a process of its own. */
async function diagnosed(args: readonly string[], env: Run['env'] = {}) {
  let stdout = ''
  const print = (line: string) => {
    stdout += `${line}\n`
  }
  const [file = '', ...names] = args.filter((one) => one !== '--json')
  const json = args.includes('--json')
  const terminal = { print, paint: (_: string, text: string) => text }
  const settings = { VALETKEY_LOGIN_HOSTS: myDomain, ...env }
  const isWell = await diagnose(file, names, settings, { json, terminal })
  return { isWell, stdout }
}

const mistakesOf = (run: Promise<unknown>) =>
  run.then(
    () => [],
    (error: unknown) => (error instanceof ConfigError ? error.mistakes : [String(error)]),
  )

t.test('one integration that is well', async (t) => {
  const name = file('billing.yaml', billing)
  const before = readdirSync(folder)
  const [text, json, piped] = await Promise.all([
    doctor([name]),
    diagnosed([name, '--json']),
    doctor(['-'], { stdin: stringify(billing) }),
  ])
  t.match(text, {
    code: 0,
    stderr: '',
    stdout: /^billing: passed \(1 of 5 logins\)\n {2}ok {4}definition/,
  })
  t.notMatch(text.stdout, '\u001b')
  t.equal(json.isWell, true)
  const { ok, reports } = JSON.parse(json.stdout)
  t.match({ ok, reports }, { ok: true, reports: [{ integration: 'billing', ok: true }] })
  t.match(piped, { code: 0, stdout: /^integration: passed/ })
  t.strictSame(readdirSync(folder), before, 'and leaves nothing behind')
  for (const secret of [
    key.privateKey.split('\n')[1] ?? '',
    ...simulator.sessions().map(({ token }) => token),
  ]) {
    t.notOk(`${text.stdout}${json.stdout}`.includes(secret))
  }
})

t.test('a configuration file: each of its integrations, or those that are named', async (t) => {
  const secretive = simulator.addClientCredentialsApp()
  writeFileSync(path('secret'), `${secretive.clientSecret}\n`)
  const exchanging = simulator.addTokenExchangeApp()
  const claims = Buffer.from(JSON.stringify({ sub: exchanging.username })).toString('base64url')
  const header = Buffer.from('{"alg":"RS256"}').toString('base64url')
  writeFileSync(path('token'), `${header}.${claims}.c2ln`)
  writeFileSync(path('exchanging'), exchanging.clientSecret)
  const name = file('valetkey.yaml', {
    callers: [],
    integrations: {
      follower: {
        ...billing,
        credential: { from: 'billing' },
      },
      billing,
      secretive: {
        login_url: myDomain,
        grant: { type: 'client_credentials', client_id: secretive.clientId },
        credential: { client_secret_file: path('secret') },
        identity: { expect: { user_id: '005000000000000AAA' } },
      },
      made: { ...billing, credential: { generate: {} } },
      lake: { login_url: myDomain, grant: { type: 'data_cloud', integration: 'billing' } },
      kiosk: {
        login_url: myDomain,
        grant: {
          ...{ type: 'token_exchange', client_id: exchanging.clientId },
          subject_token: { file: path('token') },
        },
        credential: { client_secret_file: path('exchanging') },
      },
      connected: {
        login_url: myDomain,
        grant: { type: 'refresh_token', client_id: secretive.clientId },
        credential: { refresh_token_file: path('secret'), client_secret_file: path('secret') },
      },
      mismatched: {
        ...billing,
        credential: { ...billing.credential, certificate_file: path('stranger.pem') },
      },
      misspelt: { ...billing, enable: true },
      elsewhere: { ...billing, login_url: 'https://salesforce.example' },
      lost: { ...billing, credential: { private_key_file: path('nowhere.pem') } },
      orphan: { ...billing, credential: { from: 'nobody' } },
      drafted: { ...billing, grant: { type: 'jwt_bearer', username: app.username } },
      sandboxed: {
        ...billing,
        grant: { ...billing.grant, audience: 'https://test.salesforce.com' },
      },
    },
  })
  const [all, two] = await Promise.all([
    diagnosed([name, '--json']),
    diagnosed([name, 'billing', 'follower']),
  ])
  t.match(two, { isWell: true, stdout: /^billing: passed.*\nfollower: passed/s })
  t.match(await mistakesOf(diagnosed([name, 'nobody'])), [
    'nobody: is not an integration of the file',
  ])
  t.equal(all.isWell, false)
  const { reports } = JSON.parse(all.stdout) as { reports: readonly Report[] }
  for (const name of ['made', 'connected', 'lake']) {
    const one = reports.find(({ integration }) => integration === name)
    t.match(one?.checks.at(-1), { check: 'mint', outcome: 'warning' }, name)
    t.equal(one?.logins_used, 0)
  }
  const found = Object.fromEntries(
    reports.map(({ integration, checks }) => {
      const { check, detail } = checks.find(({ outcome }) => outcome === 'failed') ?? {}
      return [integration, [check, detail]]
    }),
  )
  t.match(found, {
    billing: [undefined],
    follower: [undefined],
    secretive: ['identity', /the user 005000000000000AAA.* is expected/],
    made: [undefined],
    connected: [undefined],
    lake: [undefined],
    kiosk: [undefined],
    mismatched: ['key_pair', /not for this private_key/],
    misspelt: ['definition', /line \d+: integrations\.misspelt\.enable/],
    elsewhere: ['definition', /login_url must name one of/],
    lost: ['definition', /nowhere\.pem: cannot be read \(ENOENT\)/],
    orphan: ['definition', /no nobody with its own credential/],
    drafted: ['definition', /no client_id/],
    sandboxed: ['audience', /issues a token for https:\/\/login\.salesforce\.com/],
  })
})

t.test('a pipeline gets exit 1 for an illness, and others for misuse', async (t) => {
  const name = file('ill.yaml', {
    ...billing,
    grant: { ...billing.grant, username: 'no@acme.com' },
  })
  const misuses: readonly (readonly [readonly string[], number, RegExp])[] = [
    [[name], 1, /^$/],
    [[], 64, /missing required argument 'FILE'\nusage: valetkey doctor FILE/],
    [['--loud', name], 64, /'--loud'.*usage: valetkey/s],
    [[path('broken.yaml')], 78, /broken\.yaml: line 1: is not valid YAML/],
    [[path('loud.yaml')], 78, /integrations\. \[31m has a name that must be 1 to 64 lower-case/],
  ]
  const isOver = `"$@"; echo "exit $?" >&2`
  const left = doctor([name], { through: ['sh', '-c', `{ ${isOver}; } | true`, 'sh'] })
  const unprinted = doctor([name], { through: ['sh', '-c', 'exec "$@" > /dev/full', 'sh'] })
  const runs = await Promise.all(misuses.map(([args]) => doctor(args)))
  t.match(await left, { stdout: '', stderr: /^exit 1\n$/ }, 'also where nobody reads on')
  t.same(await unprinted, {
    ...{ code: 74, stdout: '', stderr: 'valetkey: stdout cannot be written (ENOSPC)\n' },
  })
  for (const [at, [args, code, stderr]] of misuses.entries()) {
    t.match(runs[at], { code, stderr }, args.join(' '))
  }
  t.match(await mistakesOf(diagnosed([path('nowhere.yaml')])), [/cannot be read \(ENOENT\)/])
  t.match(await mistakesOf(diagnosed([path('empty.yaml')])), [/contains no integration/])
  const wrong = { VALETKEY_LOGIN_HOSTS: 'http://a.example' }
  t.match(await mistakesOf(diagnosed([name], wrong)), [/^VALETKEY_LOGIN_HOSTS: /])
  const unneeded = { VALETKEY_REDIS_URL: 'redis://127.0.0.1:1', VALETKEY_PORT: 'x' }
  t.equal((await diagnosed([file('well.yaml', billing)], unneeded)).isWell, true)
  t.match(runs[0]?.stdout, /^ill: failed .*\n {2}FAIL {2}mint .*\n +→ Set Permitted Users/s)
})

const withoutPython = hasCommand('python3') ? {} : { skip: 'python3 is not on the PATH' }

t.test('colours are for a terminal that wants them', withoutPython, async (t) => {
  const name = file('colours.yaml', billing)
  const terminal = [
    'python3',
    '-c',
    'import os,pty,sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))',
  ]
  const [plain, colourful, dumb] = await Promise.all([
    doctor([name], { through: terminal, env: { NO_COLOR: '1' } }),
    doctor([name], { through: terminal }),
    doctor([name], { through: terminal, env: { TERM: 'dumb' } }),
  ])
  t.match(colourful, { code: 0, stdout: '\u001b[32mok  \u001b[39m' })
  for (const { code, stdout } of [plain, dumb]) {
    t.equal(code, 0)
    t.match(stdout, 'colours: passed')
    t.notMatch(stdout, '\u001b')
  }
})

t.test('asks for a bound token with a key that it throws away', async (t) => {
  const bound = simulator.addJwtApp({ certificatePem: key.certificate, dpopRequired: true })
  const entry = {
    ...billing,
    grant: { ...billing.grant, client_id: bound.clientId },
    dpop: { mode: 'on' },
    identity: { expect: { dpop: true } },
  }
  const name = file('bound.yaml', { integrations: { bound: entry } })
  const good = await doctor([name, '--json'])
  t.equal(good.code, 0, good.stdout + good.stderr)
  t.notMatch(good.stdout + good.stderr, /PRIVATE KEY/)

  simulator.updateApp(bound.clientId, { dpopRequired: false })
  const { dpop } = simulator.settings()
  simulator.configure({ dpop: { ...dpop, supported: false } })
  t.teardown(() => simulator.configure({ dpop }))
  const unbound = await doctor([name, '--json'])
  t.equal(unbound.code, 1, unbound.stderr)
  t.match(unbound.stdout, /Salesforce gave a bearer token/)
})
