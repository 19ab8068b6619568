/** The broker that rotates is killed after every single write and at every request to Salesforce: what is left is a legal state, and it mints. */
import { once } from 'node:events'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Simulator } from '../../simulator/handle.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, spawnValetkey, startBroker } from '../../test/support/broker.ts'
import { type Call, createCaller } from '../../test/support/caller.ts'
import { AHEAD, ARMED, AT, POINT } from '../../test/support/crash-settings.ts'
import { eventually } from '../../test/support/eventually.ts'
import { startRedis } from '../../test/support/redis.ts'
import { illegalIn, type Rotatable } from '../../test/support/rotatable.ts'
import type { CrashJourney } from './crash-journeys.ts'

interface Teardown {
  teardown(end: () => unknown): void
}

export interface Kills {
  /** What a run that is not killed passes, in order. */
  readonly points: readonly string[]
  readonly killedAt: readonly string[]
  /** Things that were passed, and at none of which a broker was killed: must be empty. What goes on in the background does not come equally often in each run. */
  readonly missed: readonly string[]
  /** What was found after a kill and must not be: must be empty. */
  readonly wrong: readonly string[]
  /** Whether the last of the legal states was seen. */
  readonly hasEnded: boolean
}

/** How many attempts are made at the same time. */
const AT_ONCE = 6
const CRASH_POINT = new URL('../../test/support/crash-point.ts', import.meta.url).href

/** With what all brokers of all attempts are started. */
interface Salesforce {
  readonly simulator: Simulator
  readonly shared: {
    readonly loginHosts: readonly string[]
    readonly adminKey: string
    readonly keyring: string
  }
}

async function folder(t: Teardown): Promise<string> {
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
  places(
    t: Teardown,
    salesforce: Salesforce,
    journey: CrashJourney,
  ): Promise<(index: number) => Promise<Place>>
}

const ENGINES = {
  /** A folder for each attempt; a broker is started again in it. */
  embedded: {
    changed: 'wrote integrations and integration_macs and meta',
    async places(t, { simulator, shared }, { prepare, aheadMs = 0 }) {
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
    async places(t, { simulator, shared }, { prepare }) {
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
} as const satisfies Record<CrashJourney['engine'], Engine>

/** Does it until the broker is killed, or until all that comes of it has come; gives the points that it passed. */
async function attempt(
  t: Teardown,
  { shared }: Salesforce,
  { act, events, aheadMs = 0 }: CrashJourney,
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
      VALETKEY_DOCS: 'off',
      VALETKEY_ADMIN_KEY: shared.adminKey,
      VALETKEY_KEYRING: shared.keyring,
      VALETKEY_LOGIN_HOSTS: shared.loginHosts.join(','),
      ...env,
      ...(crashAt !== undefined && { [AT]: crashAt }),
      [ARMED]: armed,
      [AHEAD]: String(aheadMs),
    },
    { nodeArgs: ['--import', CRASH_POINT] },
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
  // What a run always passes may still come, such as the end of a lock, which nobody waits for. What
  // does not come at all is missed.
  if (isFirst(crashAt)) await eventually(hasEnded).catch(() => undefined)
  child.kill('SIGKILL')
  await ended
  if (child.signalCode !== 'SIGKILL') throw new Error(`It ended by itself: ${output}`)
  const lines = output.matchAll(new RegExp(`^${POINT}: (.*)$`, 'gm'))
  return [...lines].map(([, point]) => point ?? '')
}

/** `main`: only after the change, at the request to Salesforce and its answer, and at the last point. */
export async function killAtEachPoint(
  t: Teardown,
  journey: CrashJourney,
  which: 'every' | 'main' = 'every',
): Promise<Kills> {
  const simulator = await startSimulator({ settings: { expiresIn: 900 } })
  t.teardown(() => simulator.stop())
  const salesforce: Salesforce = {
    simulator,
    shared: {
      loginHosts: [simulator.origins.myDomain],
      adminKey: newAdminKey(),
      keyring: generateKeyring(Date.now()).reveal(),
    },
  }
  const { legal, follower, engine, offline = false } = journey
  const { changed, places } = ENGINES[engine]
  const place = await places(t, salesforce, journey)
  const seen = new Set<string>()
  const killedAt: string[] = []
  const wrong: string[] = []

  const check = async (where: string, { integration, open }: Place) => {
    const { call, close } = await open()
    await journey.goOn?.(call, integration)
    const states = new Map(await statesOf(call, integration))
    wrong.push(...illegalIn([...states.values()]).map((what) => `${where}: ${what}`))
    const first = states.get(integration.firstId) ?? 'gone'
    states.delete(integration.firstId)
    const state = [first, ...states.values()].join(' ')
    seen.add(state)
    if (!legal.includes(state)) wrong.push(`${where}: ${state}`)
    for (const name of [integration.name, follower].filter((one) => one !== undefined)) {
      const { status, body } = await call('GET', `/tokens/${name}`)
      if (status !== 200) wrong.push(`${where}: ${name} does not mint, ${body.code}`)
    }
    await close()
  }

  const run = async (index: number, crashAt?: string): Promise<readonly string[]> => {
    const at = await place(index)
    const points = await attempt(t, salesforce, journey, at, crashAt)
    if (crashAt !== undefined && points.at(-1) === crashAt) killedAt.push(crashAt)
    await check(crashAt ?? 'not killed', at)
    return points
  }

  const points = await run(0)
  const needed = offline ? [changed] : [changed, 'sent to Salesforce', 'answered by Salesforce']
  const main = new Set([...needed.map(firstOf), points.at(-1)])
  const chosen = which === 'every' ? points : points.filter((point) => main.has(point))
  const left = [...chosen.entries()]
  const worker = async () => {
    for (let next = left.shift(); next; next = left.shift()) await run(1 + next[0], next[1])
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  const firsts = [...chosen.filter(isFirst), ...needed.map(firstOf)]
  return {
    ...{ points, killedAt, wrong },
    missed: firsts.filter((point) => !killedAt.includes(point)),
    hasEnded: seen.has(legal.at(-1) ?? ''),
  }
}

const firstOf = (what: string) => `${what} (1)`
const isFirst = (point: string | undefined) => point?.endsWith(' (1)') ?? false

async function statesOf(call: Call, { credentials }: Rotatable) {
  const { items } = (await call('GET', credentials)).body
  return items.map(({ id, state }: { id: string; state: string }) => [id, state] as const) as [
    string,
    string,
  ][]
}
