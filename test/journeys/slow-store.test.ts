/** A Redis that answers late: slow is no worse than dead. */
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { type FaultProxy, type Slowness, startFaultProxy } from '../support/fault-proxy.ts'
import { startRedis } from '../support/redis.ts'

/** Said within 5 seconds; the machine may be busy. */
const SAID_MS = 20_000
/** No read waits a second for it; the machine may be busy. */
const SOON_MS = 1_000 * 2.5

interface World {
  readonly broker: TestBroker
  readonly proxy: FaultProxy
  /** Makes an integration whose token was never asked for. */
  integrate(name: string): Promise<void>
  /** An API key that was used. */
  readonly key: string
}

async function world(t: Test): Promise<World> {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const proxy = await startFaultProxy(redis.port)
  t.teardown(() => proxy.close())
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const loginHosts = [simulator.origins.myDomain]
  const broker = await startBroker(t, { loginHosts, redisUrl: proxy.url })
  await eventually(async () => (await broker.call('GET', '/readyz')).status === 200)
  const integrate = async (name: string) => {
    const app = simulator.addClientCredentialsApp()
    const { status } = await broker.call('PUT', `/integrations/${name}`, {
      body: {
        login_url: app.loginUrl,
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
      },
    })
    t.equal(status, 201)
  }
  const limited = { name: 'job', permissions: ['tokens:read'], integrations: ['*'] }
  const { key } = (await broker.call('POST', '/api-keys', { body: limited })).body
  await integrate('known')
  t.equal((await broker.call('GET', '/tokens/known', { key })).status, 200)
  return { broker, proxy, integrate, key }
}

async function speedOf({ call }: TestBroker): Promise<{ ok: boolean; detail: string }> {
  const { checks } = (await call('GET', '/readyz')).body
  return checks.find(({ name }: { name: string }) => name === 'store_speed')
}

/** Reads over and over until it is stopped; gives what each took, how much longer than an answer that needs no store at the same moment, and the answers that were none. */
function reading({ broker, key }: World) {
  let isOver = false
  const tookMs: number[] = []
  const longerMs: number[] = []
  const failed: unknown[] = []
  const timed = async (path: string) => {
    const started = performance.now()
    const answer = await broker.call('GET', path, { key })
    return { ...answer, ms: performance.now() - started }
  }
  const run = async () => {
    while (!isOver) {
      const [live, { status, body, ms }] = await Promise.all([
        timed('/livez'),
        timed('/tokens/known'),
      ])
      tookMs.push(ms)
      longerMs.push(ms - live.ms)
      if (status !== 200) failed.push(body)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const running = run()
  return {
    async stop() {
      isOver = true
      await running
      const sorted = (all: readonly number[]) => all.toSorted((a, b) => a - b)
      return { tookMs: sorted(tookMs), longerMs: sorted(longerMs), failed }
    },
  }
}

const SLOW: Readonly<Record<string, Slowness>> = {
  'late by 500 ± 400 ms': { delayMs: () => 100 + Math.random() * 800 },
  '5 bytes at a time': { delayMs: () => 25, pieceBytes: 5 },
}

for (const [what, slowness] of Object.entries(SLOW)) {
  t.test(`answers ${what} hold up no hit`, async (t) => {
    const here = await world(t)
    const { broker, proxy } = here
    t.match(await speedOf(broker), { ok: true })
    proxy.slow(slowness)
    const load = reading(here)
    await eventually(async () => !(await speedOf(broker)).ok, SAID_MS)
    const { tookMs, failed } = await load.stop()
    t.same(failed, [])
    t.ok((tookMs.at(-1) ?? 0) < SOON_MS, `the slowest took ${tookMs.at(-1)} ms`)
    t.match((await speedOf(broker)).detail, /^slow: .*docs\/troubleshooting\.md#a-slow-store/)

    const slow = reading(here)
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    const known = await slow.stop()
    t.same(known.failed, [])
    const { longerMs } = known
    const median = longerMs[Math.floor(longerMs.length / 2)] ?? Number.NaN
    t.ok(median < 50, `the median took ${median} ms longer than without the store`)
    t.ok((longerMs.at(-1) ?? Number.NaN) < 500, `the slowest took ${longerMs.at(-1)} ms longer`)

    proxy.slow(undefined)
    await eventually(async () => (await speedOf(broker)).ok, SAID_MS)
    const told = broker.logs().match(/the store is (?:slow|no longer slow)/g)
    // Where the machine is busy, the store may be slow once more; see `test/store/pace.test.ts`.
    const pair = ['the store is slow', 'the store is no longer slow']
    t.same(
      told,
      told?.map((_, at) => pair[at % 2]),
      'in turn',
    )
    t.equal(told?.at(-1), pair[1])
  })
}

t.test('what memory does not have is asked for and minted, however slow it is', async (t) => {
  const here = await world(t)
  const { broker, proxy, integrate, key } = here
  await integrate('unknown')
  proxy.slow({ delayMs: () => 300 })
  const load = reading(here)
  await eventually(async () => !(await speedOf(broker)).ok, SAID_MS)
  const { status, body } = await broker.call('GET', '/tokens/unknown', { key })
  t.equal(status, 200, JSON.stringify(body.code))
  const change = { body: { labels: { team: 'billing' } }, headers: { 'if-match': '*' } }
  t.equal((await broker.call('PATCH', '/integrations/known', change)).status, 200)
  await load.stop()
})

t.test('a token that was revoked is not served for its sake', async (t) => {
  const here = await world(t)
  const { broker, proxy, key } = here
  const { token_id: id } = (await broker.call('GET', '/tokens/known', { key })).body
  proxy.slow({ delayMs: () => 300 })
  const load = reading(here)
  await eventually(async () => !(await speedOf(broker)).ok, SAID_MS)
  t.equal((await broker.call('DELETE', '/tokens/known')).status, 204)
  const { status, body } = await broker.call('GET', '/tokens/known', { key })
  t.equal(status, 200)
  t.not(body.token_id, id)
  await load.stop()
})
