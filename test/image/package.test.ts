/** The packed package is really installed in an empty folder, and serves from its bundle what the sources serve. */
import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { newAdminKey, startBrokerProcess } from '../support/broker.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const execute = promisify(execFile)
const OPTIONS = ['--ignore-scripts', '--omit=dev', '--omit=optional', '--no-audit', '--no-fund']

const folder = await mkdtemp(join(tmpdir(), 'valetkey-package-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const packing = ['pack', '--silent', '--pack-destination', folder]
const packed = await execute('npm', packing, {
  cwd: ROOT,
  maxBuffer: 16 * 1024 * 1024,
  // Another service's, which the build leaves alone.
  env: { ...process.env, VALETKEY_REDIS_URL: 'redis://127.0.0.1:1' },
})
const [archive = ''] = readdirSync(folder)
await execute('npm', ['install', '--prefer-offline', ...OPTIONS, join(folder, archive)], {
  cwd: folder,
})
const root = join(folder, 'node_modules/valetkey/')
const simulator = await startSimulator()
t.teardown(() => simulator.stop())

t.test('it has the bundle and no source', async (t) => {
  t.equal(packed.stdout.trim(), archive, 'the build prints nothing')
  const notices = readFileSync(join(root, 'dist/LICENSES.txt'), 'utf8')
  for (const name of ['fastify', 'ioredis', 'node-forge']) t.match(notices, `\n${name} `)
  t.notOk(existsSync(join(root, 'src/process')))
  t.same(readdirSync(join(root, 'src')), ['valetkey.js'])
  t.same(readdirSync(join(root, 'dist')).sort(), [
    ...[
      'LICENSES.txt',
      'client',
      'client.js',
      'command',
      'commit',
      'healthcheck.js',
      'keystore-worker.cjs',
      'main.cjs',
      'main.code',
      'main.positions',
    ],
    ...['main.sources', 'pkcs11-worker.cjs', 'start.js'],
  ])
  const { stdout } = await execute(join(folder, 'node_modules/.bin/valetkey'), ['keygen'])
  t.match(stdout, /^\S+:[A-Za-z0-9+/]{43}=\n$/)
})

t.test('it serves a token, its pages, and what a worker opens', async (t) => {
  const adminKey = newAdminKey()
  const broker = await startBrokerProcess(t, {
    root,
    adminKey,
    env: {
      VALETKEY_DATA_DIR: join(folder, 'data'),
      VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
      VALETKEY_DOCS: 'on',
    },
  })
  const { call } = broker
  const app = simulator.addClientCredentialsApp()
  const put = await call('PUT', '/integrations/billing', {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
  t.equal(put.status, 201)
  t.equal((await call('GET', '/tokens/billing')).status, 200)
  t.equal((await call('GET', '/docs')).status, 200)
  t.equal((await call('GET', '/openapi.yaml')).status, 200)
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: {
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'right',
    },
  })
  const locked = await call('PUT', '/integrations/locked', {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'jwt_bearer', client_id: 'x', username: 'billing@acme.com' },
      credential: { private_key: privateKey, passphrase: 'wrong' },
    },
  })
  t.match(locked.body, { code: 'credential_invalid', detail: /does not decrypt/ })
  t.equal(await broker.kill('SIGTERM'), 0)
  t.notMatch(broker.output(), 'ExperimentalWarning')
})

t.test('a stack names places of the sources', async (t) => {
  const script = `import('${root}dist/start.js').then(({ loadBundle }) => {
    const bundle = loadBundle(new URL('file://${root}dist/'))
    if (!bundle.isCompiled) throw new Error('it is not compiled')
    return bundle.startService(null)
  }).catch((error) => console.log(error.stack))`
  const { stdout } = await execute(process.execPath, ['-e', script])
  t.match(stdout, /at \S*startService \(file:\S+\/src\/process\/local\.ts:\d+:\d+\)/)
  t.notMatch(stdout, 'main.cjs')
})

t.test('its command line, its man page and its client work without the sources', async (t) => {
  const bin = join(folder, 'node_modules/.bin/valetkey')
  const version = await execute(bin, ['--version'])
  t.match(version.stdout, /^valetkey \d\S+ \([0-9a-f]{12}\)\n$/)
  const npx = await execute('npx', ['--no-install', 'valetkey', 'help', 'rotate'], { cwd: folder })
  t.match(npx.stdout, /^rotate: /)
  t.match(readFileSync(join(root, 'man/valetkey.1'), 'utf8'), '.TH VALETKEY 1')
  const adminKey = newAdminKey()
  const broker = await startBrokerProcess(t, {
    root,
    adminKey,
    env: {
      VALETKEY_DATA_DIR: join(folder, 'commands'),
      VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
    },
  })
  const env = { ...process.env, VALETKEY_URL: broker.url, VALETKEY_KEY: adminKey }
  const app = simulator.addClientCredentialsApp()
  const definition = {
    login_url: app.loginUrl,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret_file: 'secret' },
  }
  writeFileSync(join(folder, 'secret'), app.clientSecret)
  writeFileSync(join(folder, 'a.yaml'), JSON.stringify({ integrations: { billing: definition } }))
  const run = async (...args: readonly string[]) =>
    (await execute(bin, args, { cwd: folder, env })).stdout
  t.match(await run('apply', '-f', 'a.yaml'), 'billing: created')
  const token = (await run('token', 'billing')).trim()
  t.match(await run('status'), /^billing +ready/m)
  const settings = { VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain }
  const checked = await execute(bin, ['check-token', 'billing'], { env: { ...env, ...settings } })
  t.match(checked.stdout, /none: /)
  const refused = execute(bin, ['check-token', 'none'], { env: { ...env, ...settings } })
  t.match(await refused.catch((error) => error), { code: 69, stderr: /integration_not_found/ })
  const missing = execute(bin, ['restore', 'nothing'], { env: { ...process.env } })
  t.match(await missing.catch((error) => error), { code: 66, stderr: /does not exist/ })

  writeFileSync(
    join(folder, 'client.mts'),
    `import { createClient, ProblemError, type Token } from 'valetkey/client'
const client = createClient({ url: process.env.VALETKEY_URL ?? '', key: process.env.VALETKEY_KEY ?? '' })
const token: Token = await client.token('billing', { min_ttl: 60 })
console.log(token.access_token)
const error = await client.token('none').catch((error: unknown) => error)
console.log(error instanceof ProblemError && error.code)
`,
  )
  const called = await execute(process.execPath, [join(folder, 'client.mts')], { env })
  t.equal(called.stdout, `${token}\nintegration_not_found\n`)
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')]
  const strict = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', ...types]
  const typed = await execute(tsc, [...strict, 'client.mts'], { cwd: folder }).catch(
    (error) => error,
  )
  t.equal(typed.stdout, '')
  t.equal(await broker.kill('SIGTERM'), 0)
})
