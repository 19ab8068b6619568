/** What a proof costs beside a hit, twenty at once, and a gateway with proofs beside the same gateway that asks bare `node:http`. */
import { join } from 'node:path'
import { startRedis } from '../test/support/redis.ts'
import { type Cost, costOf } from './cost.ts'
import { exactly, type Figure } from './figure.ts'
import { type Load, type LoadRequest, load, provideLoad } from './load.ts'
import { measurePassing } from './passing.ts'
import { PROVEN_PATH, proverKey } from './prover-key.ts'
import { inTurn, spreadOf } from './ratio.ts'
import { commandsOf } from './redis-commands.ts'
import { type MeasuredBroker, prepareSetting, type Setting, type Teardown } from './setting.ts'
import { measureSignatures, type SignatureFloor } from './signature-floor.ts'

export interface ProofOptions {
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
}

/** Most of one request. */
const AT_ONCE = 20
const KINDS = ['hit', 'one', 'batch'] as const

type Kind = (typeof KINDS)[number]

interface Round {
  readonly costs: Readonly<Record<Kind, Cost>>
  /** One request at a time. */
  readonly alone: Readonly<Record<'hit' | 'one', Load>>
  readonly commands: number
  readonly floor: SignatureFloor
}

export async function measureProofs(
  t: Teardown,
  options: ProofOptions,
): Promise<readonly Figure[]> {
  const { rounds, seconds, warmSeconds } = options
  provideLoad()
  const setting = await prepareSetting(t)
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const broker = await setting.broker({ redisUrl: redis.url })
  await setting.integrate(broker, 'billing')
  await setting.integrate(broker, 'bound', { dpop: { mode: 'on' } })
  const requests = await requestsOf(setting, broker)
  const of = (kind: Kind) => ({
    list: [requests[kind]],
    script: join(setting.folder, `${kind}.lua`),
  })
  const measure = (kind: Kind, duration = seconds) =>
    costOf(broker, { path: '/', seconds: duration, requests: of(kind) })
  for (const kind of KINDS) await measure(kind, warmSeconds)
  const signing = await setting.server('./servers/signing.ts', [])
  await measureSignatures(signing, { seconds: 1, atOnce: AT_ONCE })
  const measured: Round[] = []
  for (let round = 0; round < rounds; round += 1) {
    const costs: Partial<Record<Kind, Cost>> = {}
    let commands = 0
    // Each begins a round in its turn.
    for (const [index] of KINDS.entries()) {
      const kind = KINDS[(index + round) % KINDS.length] as Kind
      const before = await commandsOf(redis.port)
      costs[kind] = await measure(kind)
      if (kind === 'one') commands = (await commandsOf(redis.port)) - before
    }
    const one = (kind: 'hit' | 'one') => () =>
      load({ url: `${broker.url}/`, seconds, connections: 1, requests: of(kind) })
    const [[hit, proof] = []] = await inTurn(1, one('hit'), one('one'))
    if (!hit || !proof) throw new Error('a round was not measured')
    const floor = await measureSignatures(signing, { seconds, atOnce: AT_ONCE })
    measured.push({ costs: costs as Round['costs'], alone: { hit, one: proof }, commands, floor })
  }
  const passing = await measurePassing(t, setting, broker, options)
  return [...figuresOf(measured), ...passing]
}

async function requestsOf(
  { simulator, authorization }: Setting,
  broker: MeasuredBroker,
): Promise<Readonly<Record<Kind, LoadRequest>>> {
  const key = await proverKey(broker, 'prover', 'tokens:prove')
  const request = { method: 'GET', url: simulator.origins.myDomain + PROVEN_PATH }
  const proofs = (count: number): LoadRequest => ({
    ...{ method: 'POST', path: '/tokens/bound/proofs' },
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ requests: Array.from({ length: count }, () => request) }),
  })
  return {
    hit: { method: 'GET', path: '/tokens/billing', headers: { authorization } },
    one: proofs(1),
    batch: proofs(AT_ONCE),
  }
}

function figuresOf(rounds: readonly Round[]): readonly Figure[] {
  const of = (value: (round: Round) => number) => spreadOf(rounds.map(value))
  const sum = (value: (round: Round) => number) =>
    rounds.reduce((total, round) => total + value(round), 0)
  return [
    {
      id: 'cpu',
      what: 'CPU time a proof, of all threads, µs',
      spread: of(({ costs }) => costs.one.processUs),
      digits: 1,
      target: { atMost: 250 },
    },
    {
      id: 'rate',
      what: 'proofs a second of one process, one a request',
      spread: of(({ costs }) => costs.one.requestsPerSecond),
      digits: 0,
      target: { atLeast: 6_000 },
    },
    {
      id: 'p50-ratio',
      what: 'p50 of a proof / of a hit, one request at a time',
      spread: of(({ alone }) => alone.one.p50Ms / alone.hit.p50Ms),
      digits: 2,
      target: { atMost: 1.5 },
    },
    {
      id: 'p50-floor',
      what: 'the same if a proof were a hit and a bare signature',
      spread: of(({ alone, floor }) => 1 + floor.p50Ms / alone.hit.p50Ms),
      digits: 2,
    },
    {
      id: 'signature',
      what: 'CPU time of a bare signature, µs',
      spread: of(({ floor }) => floor.oneUs),
      digits: 1,
    },
    {
      id: 'p50',
      what: 'p50 of a proof, one request at a time, ms',
      spread: of(({ alone }) => alone.one.p50Ms),
      digits: 3,
    },
    {
      id: 'cpu-ratio',
      what: 'CPU time of a proof / of a hit, which other processes disturb less',
      spread: of(({ costs }) => costs.one.processUs / costs.hit.processUs),
      digits: 2,
    },
    {
      id: 'batch-ratio',
      what: `CPU time of ${AT_ONCE} proofs in a request / of one`,
      spread: of(({ costs }) => costs.batch.processUs / costs.one.processUs),
      digits: 2,
      target: { atMost: 6 },
    },
    {
      id: 'batch-floor',
      what: `the same if all but the first of the ${AT_ONCE} were bare signatures`,
      spread: of(
        ({ costs, floor }) => 1 + (floor.batchUs * (1 - 1 / AT_ONCE)) / costs.one.processUs,
      ),
      digits: 2,
    },
    {
      id: 'batch-rate',
      what: `proofs a second of one process, ${AT_ONCE} a request`,
      spread: of(({ costs }) => AT_ONCE * costs.batch.requestsPerSecond),
      digits: 0,
    },
    {
      id: 'redis-commands',
      what: 'Redis commands a proof',
      spread: exactly(sum(({ commands }) => commands) / sum(({ costs }) => costs.one.requests)),
      digits: 5,
      target: { atMost: 0.01 },
    },
    {
      id: 'failures',
      what: 'failed requests',
      spread: exactly(
        sum(({ costs }) => KINDS.reduce((all, kind) => all + costs[kind].failures, 0)),
      ),
      digits: 0,
      target: { atMost: 0 },
    },
  ]
}
