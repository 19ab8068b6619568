/** The packed package is really installed in an empty folder, and serves from its bundle what the sources serve. */
import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
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
      'healthcheck.js',
      'keystore-worker.cjs',
      'main.cjs',
      'main.code',
      'main.positions',
    ],
    ...['main.sources', 'start.js'],
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
    return bundle.main(null)
  }).catch((error) => console.log(error.stack))`
  const { stdout } = await execute(process.execPath, ['-e', script])
  t.match(stdout, /at Object\.main \(file:\S+\/src\/process\/main\.ts:\d+:\d+\)/)
  t.notMatch(stdout, 'main.cjs')
})
