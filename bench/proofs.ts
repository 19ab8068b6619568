/** What a proof costs beside a hit, twenty at once, and a gateway with proofs beside the same gateway that asks bare `node:http`. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GATEWAYS } from '../test/gateway/gateway-table.ts'
import { startGateway } from '../test/gateway/running-gateway.ts'
import { freePort, startRedis } from '../test/support/redis.ts'
import { type Cost, costOf, type Measured } from './cost.ts'
import { exactly, type Figure } from './figure.ts'
import { type Load, type LoadRequest, load, provideLoad } from './load.ts'
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
const PATH = '/services/data/v66.0/query?q=SELECT+Id+FROM+Organization'
const REQUESTS = ['GET /services/data/*/query']
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

async function keyOf(broker: MeasuredBroker, name: string, body: object): Promise<string> {
  const made = await broker.process.call('POST', '/api-keys', {
    body: { name, integrations: ['*'], ...body },
  })
  if (made.status !== 201) throw new Error(JSON.stringify(made.body))
  return made.body.key
}

async function requestsOf(
  { simulator, authorization }: Setting,
  broker: MeasuredBroker,
): Promise<Readonly<Record<Kind, LoadRequest>>> {
  const key = await keyOf(broker, 'prover', { permissions: ['tokens:prove'], requests: REQUESTS })
  const request = { method: 'GET', url: simulator.origins.myDomain + PATH }
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

interface Passing {
  readonly ours: Load
  readonly bare: Load
}

/** Requests through nginx, which asks one of the two for each. What it passes them to is a server of its own, so that only the question differs. */
async function measurePassing(
  t: Teardown,
  setting: Setting,
  broker: MeasuredBroker,
  { rounds, seconds, warmSeconds }: ProofOptions,
): Promise<readonly Figure[]> {
  const key = await keyOf(broker, 'gateway', { permissions: ['tokens:read'], requests: REQUESTS })
  const asked = {
    authorization: `Bearer ${key}`,
    'x-original-method': 'GET',
    'x-original-uri': PATH,
  }
  const answer = await fetch(`${broker.url}/gateway/bound`, { headers: asked })
  if (!answer.headers.has('dpop')) throw new Error(`no proof: ${answer.status}`)
  const bare = await serverWith(setting, answer)
  const through = async ({ url }: Measured): Promise<string> => {
    const upstream = await freePort()
    const [nginx] = GATEWAYS
    if (nginx?.name !== 'nginx') throw new Error('the first gateway is not nginx')
    const provided = await nginx.provide((line) => console.error(line))
    if (!provided.ok) throw new Error(provided.why)
    const { port } = await startGateway(
      t,
      {
        ...nginx,
        changes: () => [
          [/gateway\/billing/, 'gateway/bound'],
          [/\$instance\$salesforce_uri/g, `http://127.0.0.1:${upstream}$salesforce_uri`],
          [
            /\n {2}server \{/,
            `\n  access_log off;\n  server { listen 127.0.0.1:${upstream}; return 200 ok; }\n  server {`,
          ],
        ],
      },
      { brokerUrl: url, key, instance: new URL(setting.simulator.origins.myDomain) },
    )
    return `http://127.0.0.1:${port}/sf${PATH}`
  }
  const [ourUrl, bareUrl] = [await through(broker), await through(bare)]
  const measure =
    (url: string, duration = seconds) =>
    () =>
      load({ url, seconds: duration })
  await measure(ourUrl, warmSeconds)()
  await measure(bareUrl, warmSeconds)()
  const pairs = await inTurn(rounds, measure(ourUrl), measure(bareUrl))
  const each = pairs.map(([ours, other]): Passing => ({ ours, bare: other }))
  return [
    {
      id: 'nginx-ratio',
      what: 'requests a second through nginx, with proofs of Valetkey / with `auth_request` to bare `node:http`',
      spread: spreadOf(
        each.map(({ ours, bare: other }) => ours.requestsPerSecond / other.requestsPerSecond),
      ),
      digits: 2,
      target: { atLeast: 0.5 },
    },
    {
      id: 'nginx-rate',
      what: 'requests a second through nginx, with proofs of Valetkey',
      spread: spreadOf(each.map(({ ours }) => ours.requestsPerSecond)),
      digits: 0,
    },
    {
      id: 'nginx-failures',
      what: 'of all, failed',
      spread: exactly(each.reduce((sum, one) => sum + one.ours.failures + one.bare.failures, 0)),
      digits: 0,
      target: { atMost: 0 },
    },
  ]
}

/** Bare `node:http` that gives this answer to everybody. */
async function serverWith(setting: Setting, answer: Response): Promise<Measured> {
  const own = ['date', 'connection', 'keep-alive']
  const headers = Object.fromEntries([...answer.headers].filter(([name]) => !own.includes(name)))
  const file = join(setting.folder, 'passed.json')
  await writeFile(file, JSON.stringify({ headers, body: await answer.text() }))
  return setting.server('./servers/bare.ts', [file])
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
