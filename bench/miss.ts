/** The miss path: what a mint takes beside the time at Salesforce, and what many at once do to the event loop. */
import { Agent, get } from 'node:http'
import { eventually } from '../test/support/eventually.ts'
import { startLoad } from '../test/support/load.ts'
import { startRedis } from '../test/support/redis.ts'
import { exactly, type Figure } from './figure.ts'
import { prepareMany } from './many.ts'
import { spreadOf } from './ratio.ts'
import { type MeasuredBroker, prepareSetting, type Teardown } from './setting.ts'

export interface MissOptions {
  /** Mints one after the other. */
  readonly singles: number
  /** Mints at a constant rate. */
  readonly perSecond: number
  readonly seconds: number
}

/** Until what a mint runs through is compiled; a broker runs for weeks. */
const WARM = 600
/** So often the mints one after the other are summed up. */
const ROUNDS = 5

export async function measureMiss(t: Teardown, options: MissOptions): Promise<readonly Figure[]> {
  const { singles, perSecond, seconds } = options
  const setting = await prepareSetting(t)
  setting.simulator.configure({ expiresIn: 3_600 })
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const broker = await setting.broker({ redisUrl: redis.url })
  const many = perSecond * seconds
  const integrations = await prepareMany(setting, broker, {
    ...{ prefix: 'jwt-', count: WARM + singles + many, grant: 'jwt_bearer' as const },
  })
  const { authorization } = setting
  const names = (from: number, count: number) => integrations.names.slice(from, from + count)

  const warm = await mintSingly(broker, names(0, WARM), authorization)
  const shares = await mintSingly(broker, names(WARM, singles), authorization)
  if (warm.length + shares.length !== WARM + singles) throw new Error('A mint is missing')

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

function figuresOfShares(shares: readonly number[]): readonly Figure[] {
  const size = Math.ceil(shares.length / ROUNDS)
  const rounds = Array.from({ length: ROUNDS }, (_, i) => shares.slice(i * size, (i + 1) * size))
  const at = (share: number) =>
    spreadOf(rounds.map((round) => sorted(round)[Math.floor((round.length - 1) * share)] ?? NaN))
  const what = 'own share of a mint: RSA signature, store and all, without the time at Salesforce'
  return [
    { id: 'p50', what: `${what}; p50, ms`, spread: at(0.5), digits: 2, target: { atMost: 3 } },
    { id: 'p99', what: 'the same; p99, ms', spread: at(0.99), digits: 2, target: { atMost: 10 } },
  ]
}

const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b)

/** In milliseconds: what the caller waited for, less what the broker waited for Salesforce. */
async function mintSingly(
  { url, probe }: MeasuredBroker,
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
