/** The miss path: what a mint takes beside the time at Salesforce, and what many at once do to the event loop. */
import { Agent, get } from 'node:http'
import { eventually } from '../test/support/eventually.ts'
import { startLoad } from '../test/support/load.ts'
import { startRedis } from '../test/support/redis.ts'
import type { Measured } from './cost.ts'
import { exactly, type Figure } from './figure.ts'
import { eachOf, prepareBareApps, prepareMany } from './many.ts'
import { spreadOf } from './ratio.ts'
import { type MeasuredBroker, prepareSetting, type Teardown } from './setting.ts'

export interface MissOptions {
  /** Mints one after the other, of each kind; a multiple of `ROUNDS`. */
  readonly singles: number
  /** Mints at a constant rate. */
  readonly perSecond: number
  readonly seconds: number
}

/** Until what a mint runs through is compiled; a broker runs for weeks. */
const WARM = 600
/** So often each kind of mint has its turn. */
const ROUNDS = 5

/** In milliseconds, by round. */
interface Shares {
  /** Of the first mint of an integration, whose identity is pinned with it. */
  readonly first: (readonly number[])[]
  /** Of a later one. */
  readonly later: (readonly number[])[]
  /** The same steps with nothing around them. */
  readonly bare: (readonly number[])[]
}

export async function measureMiss(t: Teardown, options: MissOptions): Promise<readonly Figure[]> {
  const { singles, perSecond, seconds } = options
  if (singles % ROUNDS !== 0) throw new RangeError(`The mints are to be divided by ${ROUNDS}`)
  const setting = await prepareSetting(t)
  setting.simulator.configure({ expiresIn: 3_600 })
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const broker = await setting.broker({ redisUrl: redis.url })
  const many = perSecond * seconds
  const grant = 'jwt_bearer'
  const integrations = await prepareMany(setting, broker, {
    ...{ prefix: 'jwt-', count: WARM + singles + many, grant },
  })
  const apps = await prepareBareApps(setting, { prefix: 'bare-', count: WARM + singles, grant })
  const loginUrl = setting.simulator.origins.myDomain
  const bare = await setting.server('./peers/bare-mint.ts', [redis.url, loginUrl, apps.file])
  const { authorization } = setting
  const names = (from: number, count: number) => integrations.names.slice(from, from + count)

  await mintSingly(broker, names(0, WARM), authorization)
  await mintSingly(bare, apps.names.slice(0, WARM), authorization)
  const shares: Shares = { first: [], later: [], bare: [] }
  const size = singles / ROUNDS
  for (let round = 0; round < ROUNDS; round += 1) {
    const from = WARM + round * size
    shares.first.push(await mintSingly(broker, names(from, size), authorization))
    shares.bare.push(await mintSingly(bare, apps.names.slice(from, from + size), authorization))
    await revoke(broker, names(from, size))
    shares.later.push(await mintSingly(broker, names(from, size), authorization))
  }

  const before = await broker.probe.read()
  await broker.probe.watch()
  const mintsBefore = integrations.mints()
  const load = startLoad({
    ...{ urls: () => [broker.url], names: names(WARM + singles, many), perSecond },
    key: authorization.replace(/^Bearer /, ''),
  })
  await eventually(() => integrations.mints() - mintsBefore >= many, 60_000)
  const after = await broker.probe.unwatch()
  const seen = await load.stop()
  const failures = seen.filter(({ status }) => status !== 200).length
  return [
    ...figuresOfShares(shares),
    {
      id: 'loop-p99',
      what: `the event loop comes too late by, p99, at ${perSecond} mints a second, ms`,
      spread: exactly(after.loopP99Ms),
      digits: 2,
      target: { atMost: 2 },
    },
    { id: 'loop-max', what: 'the same, at most, ms', spread: exactly(after.loopMaxMs), digits: 2 },
    {
      id: 'cpu',
      what: 'CPU time a mint, the main thread, ms',
      spread: exactly((after.mainUs - before.mainUs) / many / 1_000),
      digits: 2,
    },
    {
      id: 'process-cpu',
      what: 'CPU time a mint, all threads, ms',
      spread: exactly((after.cpuUs - before.cpuUs) / many / 1_000),
      digits: 2,
    },
    {
      id: 'failures',
      what: 'failed requests',
      spread: exactly(failures),
      digits: 0,
      target: { atMost: 0 },
    },
  ]
}

function figuresOfShares({ first, later, bare }: Shares): readonly Figure[] {
  const at = (rounds: readonly (readonly number[])[], share: number) =>
    rounds.map((round) => sorted(round)[Math.floor((round.length - 1) * share)] ?? Number.NaN)
  const own = at(later, 0.5)
  const least = at(bare, 0.5)
  const what = 'own share of a mint: RSA signature, store and all, without the time at Salesforce'
  const pair = (prefix: string, what: string, rounds: Shares[keyof Shares]): readonly Figure[] => [
    {
      id: `${prefix}p50`,
      what: `${what}; p50, ms`,
      spread: spreadOf(at(rounds, 0.5)),
      digits: 2,
      target: { atMost: 3 },
    },
    {
      id: `${prefix}p99`,
      what: 'the same; p99, ms',
      spread: spreadOf(at(rounds, 0.99)),
      digits: 2,
      target: { atMost: 10 },
    },
  ]
  return [
    ...pair('', what, later),
    ...pair('first-', 'of the first mint of an integration, which pins its identity', first),
    {
      id: 'bare-p50',
      what: 'the same steps by the same libraries, with nothing around them; p50, ms',
      spread: spreadOf(least),
      digits: 2,
    },
    {
      id: 'ratio',
      what: 'own share of a mint / those steps alone',
      spread: spreadOf(own.map((ms, round) => ms / (least[round] ?? Number.NaN))),
      digits: 2,
    },
  ]
}

/** So that the next mint of each is one of an integration that is known. */
async function revoke({ process }: MeasuredBroker, names: readonly string[]): Promise<void> {
  await eachOf(names, async (name) => {
    const { status } = await process.call('DELETE', `/tokens/${name}`)
    if (status !== 204) throw new Error(`DELETE ${name}: ${status}`)
  })
}

const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b)

/** In milliseconds: what the caller waited for, less what the broker waited for Salesforce. */
async function mintSingly(
  { url, probe }: Measured,
  names: readonly string[],
  authorization: string,
): Promise<readonly number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const shares: number[] = []
  for (const name of names) {
    const before = await probe.read()
    const tookMs = await timed(`${url}/tokens/${name}`, { agent, headers: { authorization } })
    const after = await probe.read()
    shares.push(tookMs - (after.outboundMs - before.outboundMs))
  }
  agent.destroy()
  return shares
}

function timed(url: string, options: Parameters<typeof get>[1]): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    get(url, options ?? {}, (response) => {
      response.resume().on('end', () => {
        const tookMs = performance.now() - startedAt
        const via = String(response.headers['cache-status'])
        if (response.statusCode === 200 && via.includes('fwd=miss')) resolve(tookMs)
        else reject(new Error(`${url}: ${response.statusCode} ${via}`))
      })
    }).on('error', reject)
  })
}
