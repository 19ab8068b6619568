/** The broker that rotates is killed after every single write and at every request to Salesforce: what is left is a legal state, and it mints. */
import { once } from 'node:events'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, spawnValetkey, startBroker } from '../support/broker.ts'
import { type Call, createCaller } from '../support/caller.ts'
import { AHEAD, ARMED, AT, POINT } from '../support/crash-settings.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'
import { illegalIn, makeSigning, type Rotatable } from '../support/rotatable.ts'
import { newSigningKey } from '../support/signing-key.ts'

const CRASH_POINT = new URL('../support/crash-point.ts', import.meta.url).href
const QUIET_MS = 16 * 60_000
t.setTimeout(120_000)

const simulator = await startSimulator({ settings: { expiresIn: 900 } })
t.teardown(() => simulator.stop())
const shared = {
  loginHosts: [simulator.origins.myDomain],
  adminKey: newAdminKey(),
  keyring: generateKeyring(Date.now()).reveal(),
}
const key = await newSigningKey()
const fresh = await newSigningKey()
const FRESH = { private_key: fresh.privateKey, certificate: fresh.certificate }
/** How many attempts are made at the same time. */
const AT_ONCE = 6

interface Journey {
  readonly engine: keyof typeof ENGINES
  /** Up to the step in which the broker is killed. */
  prepare(world: { simulator: typeof simulator; call: Call }, name: string): Promise<Rotatable>
  /** What an operator or a service asks for. None: it happens by itself. */
  act?(call: Call, integration: Rotatable): Promise<unknown>
  /** Audit events that are the last to come of it. */
  readonly events: readonly string[]
  readonly aheadMs?: number
  /** States in which a crash may leave the credentials, the first one's first; the last is what comes of it. */
  readonly legal: readonly string[]
  /** Salesforce is not asked. */
  readonly offline?: true
  /** What signs with its credential. */
  readonly follower?: string
}

const JOURNEYS: Readonly<Record<string, Journey>> = {
  'a staged key becomes active by itself': {
    engine: 'redis',
    async prepare(world, name) {
      const integration = await makeSigning(world, name, { key })
      const staged = await integration.stage(FRESH)
      integration.upload(staged.certificate)
      return integration
    },
    act: (call, { name }) => call('GET', `/tokens/${name}`),
    events: ['credential.activated', 'token.minted'],
    legal: ['active staged', 'retired active'],
  },
  'a credential of another app is activated by an operator': {
    engine: 'embedded',
    async prepare(world, name) {
      const integration = await makeSigning(world, name, { key })
      const { app } = integration
      await world.call('PUT', '/integrations/follower', {
        body: {
          login_url: app.loginUrl,
          grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
          credential: { from: name },
        },
      })
      const green = simulator.addJwtApp({ certificatePem: fresh.certificate })
      await integration.stage({ ...FRESH, client_id: green.clientId })
      await integration.token()
      return integration
    },
    async act(call, { credentials }) {
      const { items } = (await call('GET', credentials)).body
      const { id } = items.find(({ state }: { state: string }) => state === 'staged')
      await call('POST', `${credentials}/${id}/activate`)
    },
    events: ['credential.activated'],
    legal: ['active staged', 'retired active'],
    follower: 'follower',
  },
  'a fresh credential is put in place of the former': {
    engine: 'embedded',
    prepare: (world, name) => makeSigning(world, name, { key }),
    async act(call, { path }) {
      await call('PATCH', path, {
        body: { credential: FRESH },
        headers: { 'if-match': '*' },
      })
    },
    events: ['integration.changed', 'credential.activated'],
    legal: ['retired active'],
    offline: true,
  },
  'a retired secret is erased': {
    engine: 'embedded',
    async prepare(world, name) {
      const integration = await makeSigning(world, name, { key })
      const staged = await integration.stage(FRESH)
      integration.upload(staged.certificate)
      await integration.activate(staged.id)
      return integration
    },
    events: ['credential.erased'],
    aheadMs: QUIET_MS,
    legal: ['retired active', 'gone active'],
  },
}

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'valetkey-crash-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

/** A store in which the journey stands before its step. */
interface Place {
  readonly integration: Rotatable
  /** Of the broker that is killed. */
  readonly env: Readonly<Record<string, string>>
  /** The broker that comes after it. */
  open(): Promise<{ readonly call: Call; close(): Promise<void> }>
}

interface Engine {
  /** The point right after a change of an integration. */
  readonly changed: string
  places(t: Test, journey: Journey): Promise<(index: number) => Promise<Place>>
}

const ENGINES = {
  /** A folder for each attempt; a broker is started again in it. */
  embedded: {
    changed: 'wrote integrations and meta',
    async places(t, { prepare, aheadMs = 0 }) {
      const template = await folder(t)
      const { call, stop } = await startBroker(t, { ...shared, dataDir: template })
      const integration = await prepare({ simulator, call }, 'billing')
      await stop()
      return async () => {
        const dataDir = await folder(t)
        await cp(template, dataDir, { recursive: true })
        const open = async () => {
          const now = () => Date.now() + aheadMs
          const broker = await startBroker(t, { ...shared, dataDir, now })
          return { call: broker.call, close: broker.stop }
        }
        return { integration, env: { VALETKEY_DATA_DIR: dataDir }, open }
      }
    },
  },
  /** An integration for each attempt; another replica goes on, once the lock of the killed one is over. */
  redis: {
    changed: 'ran vkIntegrationChange',
    async places(t, { prepare }) {
      const redis = await startRedis()
      t.teardown(() => redis.stop())
      const { call } = await startBroker(t, { ...shared, redisUrl: redis.url })
      return async (index) => ({
        integration: await prepare({ simulator, call }, `billing-${index}`),
        env: { VALETKEY_REDIS_URL: redis.url },
        open: async () => ({ call, close: async () => undefined }),
      })
    },
  },
} as const satisfies Record<string, Engine>

/** Does it until the broker is killed, or until all that comes of it has come; gives the points that it passed. */
async function attempt(
  t: Test,
  { act, events, aheadMs = 0 }: Journey,
  { integration, env }: Place,
  crashAt: string | undefined,
): Promise<readonly string[]> {
  const armed = join(await folder(t), 'armed')
  if (!act) await writeFile(armed, '')
  const child = spawnValetkey(
    ['serve'],
    {
      VALETKEY_PORT: '0',
      VALETKEY_METRICS_PORT: '0',
      VALETKEY_ADMIN_KEY: shared.adminKey,
      VALETKEY_KEYRING: shared.keyring,
      VALETKEY_LOGIN_HOSTS: shared.loginHosts.join(','),
      ...env,
      ...(crashAt !== undefined && { [AT]: crashAt }),
      [ARMED]: armed,
      [AHEAD]: String(aheadMs),
    },
    ['--import', CRASH_POINT],
  )
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk
    })
  }
  const ended = once(child, 'close')
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  const port = await eventually(() =>
    hasEnded() ? 'none' : /"port":(\d+).*"listening"/.exec(output)?.[1],
  )
  if (act && port !== 'none') {
    const call = createCaller(`http://127.0.0.1:${port}`, shared.adminKey)
    await eventually(async () => (await call('GET', '/readyz')).status === 200)
    await writeFile(armed, '')
    // Whoever asked gets no answer from a broker that is killed.
    await act(call, integration).catch(() => undefined)
  }
  const isDone = () => events.every((action) => output.includes(`"action":"${action}"`))
  await eventually(() => hasEnded() || isDone())
  child.kill('SIGKILL')
  await ended
  if (child.signalCode !== 'SIGKILL') throw new Error(`It ended by itself: ${output}`)
  const lines = output.matchAll(new RegExp(`^${POINT}: (.*)$`, 'gm'))
  return [...lines].map(([, point]) => point ?? '')
}

for (const [what, journey] of Object.entries(JOURNEYS)) {
  t.test(`${what}, and the broker is killed on the way`, async (t) => {
    const { legal, engine, follower, offline = false } = journey
    const { changed, places } = ENGINES[engine]
    const place = await places(t, journey)
    const seen = new Set<string>()
    const killedAt: string[] = []

    const check = async (where: string, { integration, open }: Place) => {
      const { call, close } = await open()
      const { items } = (await call('GET', integration.credentials)).body
      const states = new Map<string, string>(
        items.map(({ id, state }: { id: string; state: string }) => [id, state]),
      )
      t.same(illegalIn([...states.values()]), [], where)
      const first = states.get(integration.firstId) ?? 'gone'
      states.delete(integration.firstId)
      const state = [first, ...states.values()].join(' ')
      seen.add(state)
      t.ok(legal.includes(state), `${where}: ${state}`)
      for (const name of [integration.name, follower].filter((one) => one !== undefined)) {
        const { status, body } = await call('GET', `/tokens/${name}`)
        t.equal(status, 200, `${where}: ${name} mints ${body.code ?? ''}`)
      }
      await close()
    }

    const run = async (index: number, crashAt?: string): Promise<readonly string[]> => {
      const at = await place(index)
      const points = await attempt(t, journey, at, crashAt)
      if (crashAt !== undefined && points.at(-1) === crashAt) killedAt.push(crashAt)
      await check(crashAt ?? 'not killed', at)
      return points
    }

    const points = await run(0)
    const needed = offline ? [changed] : [changed, 'sent to Salesforce', 'answered by Salesforce']
    for (const point of needed) t.ok(points.includes(`${point} (1)`), point)
    const left = [...points.entries()]
    const worker = async () => {
      for (let next = left.shift(); next; next = left.shift()) await run(1 + next[0], next[1])
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    // What goes on in the background does not come in the same order each time.
    t.same(
      points.filter((point) => !killedAt.includes(point) && point.endsWith('(1)')),
      [],
      `it was killed at ${killedAt.join(', ')}`,
    )
    t.ok(seen.has(legal.at(-1) ?? ''), 'it came to its end')
  })
}
