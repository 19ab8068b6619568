/** The image is really built and really run: what is in it, and that it serves a token on a read-only root as nobody. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { provideCommand, unlessProvided } from '../support/apt.ts'
import { newAdminKey } from '../support/broker.ts'
import { createCaller } from '../support/caller.ts'
import { type Container, runInContainer, startContainer } from '../support/container.ts'
import { eventually } from '../support/eventually.ts'
import { provideHelm, renderChart } from '../support/helm.ts'
import { buildImage, canRunImages, type Image } from '../support/image.ts'
import { preparePod } from '../support/pod.ts'
import { freePort, startRedis } from '../support/redis.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const skip = canRunImages()
  ? unlessProvided(provideCommand('buildah', console.error))
  : 'building and running an image takes root on Linux'
const skipChart = skip || unlessProvided(await provideHelm(console.error))

interface Package {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}
const packageJson = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as Package

let built: Promise<Image> | undefined
/** Once for all tests of this file. */
const theImage = (): Promise<Image> => {
  built ??= buildImage(t)
  return built
}

const filesUnder = (path: string): readonly string[] =>
  readdirSync(path, { recursive: true, encoding: 'utf8' }).sort()

t.test('it says who it is, whom it runs as, and how it is looked at', { skip }, async (t) => {
  const { config } = await theImage()
  t.equal(config.User, '65532:65532', 'a number, and not that of root')
  t.same(config.Entrypoint, [
    ...['/nodejs/bin/node', '--disable-sigusr1', '--report-exclude-env'],
    ...['--max-semi-space-size=8', '/app/src/valetkey.js'],
  ])
  t.same(config.Cmd, ['serve'])
  t.equal(config.Healthcheck.Test[0], 'CMD', 'no shell')
  t.same(Object.keys(config.Volumes), ['/data'])
  t.same(Object.keys(config.ExposedPorts).sort(), ['8080/tcp', '9464/tcp'])
  t.equal(config.StopSignal, 'SIGTERM')
  t.ok(config.Env.includes('VALETKEY_HOST=0.0.0.0'))
  t.ok(config.Env.includes('MALLOC_ARENA_MAX=2'))
  t.notMatch(config.Env.join('\n'), /KEY=|KEYRING|SECRET|PASSWORD/)
  const label = (name: string) => config.Labels[`org.opencontainers.image.${name}`]
  t.equal(label('version'), packageJson.version)
  t.equal(label('licenses'), 'Apache-2.0')
  for (const name of ['title', 'description', 'revision', 'created']) t.ok(label(name), name)
})

t.test('it holds the service and what it needs, and nothing else', { skip }, async (t) => {
  const { root, base } = await theImage()
  const added = readdirSync(root).filter((name) => !existsSync(join(base, name)))
  t.same(added.sort(), ['app', 'data'])
  t.same(filesUnder(join(root, 'usr')), filesUnder(join(base, 'usr')), 'the rest is the base')
  t.same(readdirSync(join(root, 'app')).sort(), [
    ...['LICENSE', 'dist', 'node_modules', 'package.json', 'src'],
  ])
  t.same(readdirSync(join(root, 'data')), [])
  t.same(filesUnder(join(root, 'app/src')), ['valetkey.js'])
  t.same(readdirSync(join(root, 'app/dist')).sort(), [
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
  const isThere = (name: string) => existsSync(join(root, 'app/node_modules', name))
  for (const name of Object.keys(packageJson.dependencies)) t.ok(isThere(name), name)
  const { devDependencies, optionalDependencies } = packageJson
  for (const name of [...Object.keys({ ...devDependencies, ...optionalDependencies }), 'npm']) {
    t.notOk(isThere(name), name)
  }
  const names = new Set(filesUnder(root).map((path) => path.split('/').at(-1)))
  for (const name of ['npm', 'npx', 'sh', 'bash', 'busybox', '.npmrc', '.env', '.git']) {
    t.notOk(names.has(name), name)
  }
})

interface Served {
  readonly container: Container
  readonly call: ReturnType<typeof createCaller>
}

async function ready(container: Container, port: number, key: string): Promise<Served> {
  const call = createCaller(`http://127.0.0.1:${port}`, key)
  await eventually(async () => {
    if (!container.isRunning()) throw new Error(`it ended: ${container.output()}`)
    if (!container.output().includes('"listening"')) return false
    return (await call('GET', '/readyz')).status === 200
  })
  return { container, call }
}

const isOpen = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('close', () => resolve(false)).setTimeout(1_000, () => socket.destroy())
    socket.once('connect', () => socket.destroy())
  })

t.test('it serves a token as nobody, on a root that nobody can write', { skip }, async (t) => {
  const { config, root, borrowed } = await theImage()
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const data = await mkdtemp(join(tmpdir(), 'valetkey-data-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  await chown(data, 65_532, 65_532)
  const port = await freePort()
  const env = {
    ...Object.fromEntries(config.Env.map((line) => line.split('=') as [string, string])),
    VALETKEY_HOST: '127.0.0.1',
    VALETKEY_PORT: String(port),
    VALETKEY_METRICS_PORT: '0',
    VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
  }
  const mounts = [...borrowed, { from: data, to: '/data' }]
  const common = { root, user: config.User, env, mounts }
  const run = (...command: readonly string[]) => runInContainer(t, { ...common, command })
  const healthcheck = config.Healthcheck.Test.slice(1)
  const start = () =>
    startContainer(t, { ...common, command: [...config.Entrypoint, ...config.Cmd] })

  t.equal((await run(...healthcheck)).status, 1, 'not healthy before it runs')
  const first = await start()
  await eventually(() => existsSync(join(data, 'admin.key')))
  const key = readFileSync(join(data, 'admin.key'), 'utf8').trim()
  const { call } = await ready(first, port, key)
  const app = simulator.addClientCredentialsApp()
  const put = await call('PUT', '/integrations/billing', {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
  t.equal(put.status, 201)
  const token = await call('GET', '/tokens/billing')
  t.equal(token.status, 200)
  t.equal((await run(...healthcheck)).status, 0, 'healthy')

  const status = readFileSync(`/proc/${first.pid}/status`, 'utf8')
  t.match(status, /^Uid:\t65532\t65532\t65532\t65532$/m)
  t.match(status, /^Gid:\t65532\t65532\t65532\t65532$/m)
  t.match(status, /^CapEff:\t0+$/m)
  t.match(status, /^NSpid:.*\t1$/m, 'it is process 1')
  const paths = ['/app/src/valetkey.js', '/etc/passwd', '/nodejs/bin/node', '/new', '/data/new']
  const script = `for (const path of ${JSON.stringify(paths)}) {
    try { fs.writeFileSync(path, ''); console.log(path) } catch ({ code }) { console.log(code) }
  }`
  const tried = await run('/nodejs/bin/node', '-e', script)
  t.same(tried.output.split('\n'), ['EROFS', 'EROFS', 'EROFS', 'EROFS', '/data/new', ''])

  first.kill('SIGUSR1')
  await call('GET', '/livez')
  t.notOk(await isOpen(9229), 'no debugger')
  t.equal(first.isRunning(), true)
  first.kill('SIGTERM')
  t.equal(await first.status(), 0)
  t.match(first.output(), /"msg":"stopped"/)
  t.notMatch(first.output(), /"level":"(warn|error|fatal)"/)

  const second = await ready(await start(), port, key)
  t.equal(
    (await second.call('GET', '/integrations/billing')).status,
    200,
    'the data are still there',
  )
  second.container.kill('SIGTERM')
  t.equal(await second.container.status(), 0)

  const load = `import('/app/dist/start.js').then(({ loadBundle }) =>
    console.log(loadBundle(new URL('file:///app/dist/')).isCompiled))`
  const loaded = await run('/nodejs/bin/node', '-e', load)
  t.equal(loaded.output, 'true\n', 'what is compiled is of use to the Node of the image')

  const keygen = await run(...config.Entrypoint, 'keygen')
  t.match(keygen.output, /^\S+:[A-Za-z0-9+/]{43}=\n$/)
  const help = await run(...config.Entrypoint, 'help', 'rotate')
  t.match(help.output, /^rotate: .*Examples:/s)
})

t.test('what the chart renders runs: one replica on a volume', { skip: skipChart }, async (t) => {
  const { config, root, borrowed } = await theImage()
  const objects = await renderChart({ set: ['settings.host=127.0.0.1'] })
  const deployment = objects.find(({ kind }) => kind === 'Deployment')
  const port = await freePort()
  const env = { VALETKEY_PORT: String(port), VALETKEY_METRICS_PORT: '0' }
  const pod = await preparePod(t, deployment?.spec.template.spec, {
    ...{ image: config, borrowed, objects, env },
  })
  const container = await startContainer(t, { root, ...pod })
  const path = join(pod.volume('data'), 'valetkey/admin.key')
  await eventually(() => existsSync(path))
  const { call } = await ready(container, port, readFileSync(path, 'utf8').trim())
  t.equal((await call('GET', '/integrations')).status, 200)
  t.equal((await call('GET', '/docs')).status, 404, 'no docs unless asked for')

  const test = objects.find(({ kind }) => kind === 'Pod')
  const spec = JSON.parse(
    JSON.stringify(test?.spec).replaceAll('http://valetkey:8080', `http://127.0.0.1:${port}`),
  )
  const tester = await preparePod(t, spec, { image: config, borrowed, objects })
  const tested = await runInContainer(t, { root, ...tester })
  t.equal(tested.status, 0, tested.output)
  t.match(tested.output, /\/readyz 200.*\/whoami 401/s)

  container.kill('SIGTERM')
  t.equal(await container.status(), 0)
  t.notMatch(container.output(), /"level":"(warn|error|fatal)"/, 'the folder is nobody else’s')
  const failed = await runInContainer(t, { root, ...tester })
  t.equal(failed.status, 1, 'the test pod fails where nobody answers')
})

t.test(
  'what the chart renders runs: Redis, its secrets as files, its configuration',
  {
    skip: skipChart,
  },
  async (t) => {
    const { config, root, borrowed } = await theImage()
    const simulator = await startSimulator()
    t.teardown(() => simulator.stop())
    const password = newAdminKey()
    const redis = await startRedis({ args: ['--requirepass', password] })
    t.teardown(() => redis.stop())
    const app = simulator.addClientCredentialsApp()
    const objects = await renderChart({
      values: ['ci/redis-values.yaml'],
      set: [
        'settings.host=127.0.0.1',
        `settings.loginHosts[0]=${simulator.origins.myDomain}`,
        `config.integrations.billing.login_url=${app.loginUrl}`,
        'config.integrations.billing.grant.type=client_credentials',
        `config.integrations.billing.grant.client_id=${app.clientId}`,
        'config.integrations.billing.credential.client_secret_file=/run/secrets/billing/secret',
        'secretMounts[0].secretName=billing,secretMounts[0].mountPath=/run/secrets/billing',
        'backup.enabled=true,backup.existingClaim=backups',
      ],
    })
    const key = newAdminKey()
    const secrets = {
      'valetkey-redis': { url: `redis://:${password}@127.0.0.1:${redis.port}\n` },
      'valetkey-keys': { keyring: generateKeyring(Date.now()).reveal(), 'admin-key': `${key}\n` },
      billing: { secret: app.clientSecret },
    }
    const port = await freePort()
    const pod = await preparePod(
      t,
      objects.find(({ kind }) => kind === 'Deployment')?.spec.template.spec,
      {
        ...{ image: config, borrowed, objects, secrets },
        env: { VALETKEY_PORT: String(port), VALETKEY_METRICS_PORT: '0' },
      },
    )
    t.notMatch(JSON.stringify(pod.env), new RegExp([password, key].join('|')), 'no secret in there')
    const { container, call } = await ready(await startContainer(t, { root, ...pod }), port, key)
    await eventually(async () => (await call('GET', '/integrations/billing')).status === 200)
    t.equal((await call('GET', '/tokens/billing')).status, 200)

    const job = objects.find(({ kind }) => kind === 'CronJob')?.spec.jobTemplate.spec.template.spec
    const backup = await preparePod(t, job, { image: config, borrowed, objects, secrets })
    const done = await runInContainer(t, { root, ...backup })
    t.equal(done.status, 0, done.output)
    const [file = ''] = readdirSync(backup.volume('backup'))
    t.match(file, /\.backup$/)
    t.ok(statSync(join(backup.volume('backup'), file)).size > 500)

    container.kill('SIGTERM')
    t.equal(await container.status(), 0)
  },
)
