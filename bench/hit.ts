/** The hit path against bare `node:http` that answers the same bytes. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startRedis } from '../test/support/redis.ts'
import { type Cost, costOf, type Measured } from './cost.ts'
import { exactly, type Figure } from './figure.ts'
import { provideLoad } from './load.ts'
import { inTurn, spreadOf } from './ratio.ts'
import { commandsOf } from './redis-commands.ts'
import { prepareSetting, type Setting, type Teardown } from './setting.ts'

export interface HitOptions {
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
}

export interface Hit {
  /** Valetkey and bare `node:http`, round by round. */
  readonly pairs: readonly (readonly [Cost, Cost])[]
  readonly redisCommandsPerHit: number
}

export const HIT_PATH = '/tokens/billing'

export async function measureHit(t: Teardown, options: HitOptions): Promise<Hit> {
  const { rounds, seconds, warmSeconds } = options
  provideLoad()
  const setting = await prepareSetting(t)
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const broker = await setting.broker({ redisUrl: redis.url })
  await setting.integrate(broker, 'billing')
  const bare = await startBare(setting, broker.url)
  const measure =
    (server: Measured, duration = seconds) =>
    () =>
      costOf(server, {
        path: HIT_PATH,
        headers: { authorization: setting.authorization },
        seconds: duration,
      })
  await measure(broker, warmSeconds)()
  await measure(bare, warmSeconds)()
  let commands = 0
  const counted = async () => {
    const before = await commandsOf(redis.port)
    const cost = await measure(broker)()
    commands += (await commandsOf(redis.port)) - before
    return cost
  }
  const pairs = await inTurn(rounds, counted, measure(bare))
  const hits = pairs.reduce((sum, [{ requests }]) => sum + requests, 0)
  return { pairs, redisCommandsPerHit: commands / hits }
}

/** The same bytes as a hit of the broker. */
export async function startBare(setting: Setting, brokerUrl: string): Promise<Measured> {
  const headers = { authorization: setting.authorization }
  await fetch(brokerUrl + HIT_PATH, { headers })
  const hit = await fetch(brokerUrl + HIT_PATH, { headers })
  const own = ['date', 'connection', 'keep-alive']
  const kept = [...hit.headers].filter(([name]) => !own.includes(name))
  const file = join(setting.folder, 'answer.json')
  const answer = { headers: Object.fromEntries(kept), body: await hit.text() }
  await writeFile(file, JSON.stringify(answer))
  return setting.server('./servers/bare.ts', [file])
}

/** By its p99: 1.5 × that of `node:http` and 0.3 ms more. */
const allowedMs = ({ p99Ms }: Cost) => 1.5 * p99Ms + 0.3

export function figuresOfHit({ pairs, redisCommandsPerHit }: Hit): readonly Figure[] {
  const of = (value: (ours: Cost, bare: Cost) => number) =>
    spreadOf(pairs.map(([ours, bare]) => value(ours, bare)))
  const sum = (value: (cost: Cost) => number) =>
    exactly(pairs.flat().reduce((total, cost) => total + value(cost), 0))
  return [
    {
      id: 'ratio',
      what: 'requests a second, Valetkey / bare `node:http`',
      spread: of((ours, bare) => ours.requestsPerSecond / bare.requestsPerSecond),
      digits: 2,
      target: { atLeast: 0.8 },
    },
    {
      id: 'cpu-ratio',
      what: 'the same by CPU time a request, which other processes disturb less',
      spread: of((ours, bare) => bare.cpuUs / ours.cpuUs),
      digits: 2,
    },
    {
      id: 'rate',
      what: 'hits a second of one process',
      spread: of(({ requestsPerSecond }) => requestsPerSecond),
      digits: 0,
    },
    {
      id: 'bare-rate',
      what: 'answers a second of bare `node:http`',
      spread: of((_ours, { requestsPerSecond }) => requestsPerSecond),
      digits: 0,
    },
    { id: 'cpu', what: 'CPU time a hit, µs', spread: of(({ cpuUs }) => cpuUs), digits: 1 },
    {
      id: 'bare-cpu',
      what: 'CPU time an answer of bare `node:http`, µs',
      spread: of((_ours, { cpuUs }) => cpuUs),
      digits: 1,
    },
    { id: 'p50', what: 'p50 of a hit, ms', spread: of(({ p50Ms }) => p50Ms), digits: 2 },
    { id: 'p99', what: 'p99 of a hit, ms', spread: of(({ p99Ms }) => p99Ms), digits: 2 },
    {
      id: 'bare-p99',
      what: 'p99 of bare `node:http`, ms',
      spread: of((_ours, { p99Ms }) => p99Ms),
      digits: 2,
    },
    {
      id: 'p99-allowed',
      what: 'p99 of a hit / what is allowed (1.5 × that of `node:http` + 0.3 ms)',
      spread: of((ours, bare) => ours.p99Ms / allowedMs(bare)),
      digits: 2,
      target: { atMost: 1 },
    },
    {
      id: 'redis-commands',
      what: 'Redis commands a hit',
      spread: exactly(redisCommandsPerHit),
      digits: 5,
      target: { atMost: 0.01 },
    },
    {
      id: 'crypto',
      what: 'signatures, verifications and decryptions, of all hits',
      spread: exactly(pairs.reduce((total, [{ cryptoCalls }]) => total + cryptoCalls, 0)),
      digits: 0,
      target: { atMost: 0 },
    },
    {
      id: 'failures',
      what: 'failed requests',
      spread: sum(({ failures }) => failures),
      digits: 0,
      target: { atMost: 0 },
    },
  ]
}
