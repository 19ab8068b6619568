/** A hit at each door beside one at `GET /tokens/{integration}`, and everybody at once at all doors of a cold integration. */
import { join } from 'node:path'
import { Pool } from 'undici'
import { DOORS, type Door, doorRequests } from '../test/support/door-requests.ts'
import { startRedis } from '../test/support/redis.ts'
import { type Cost, costOf } from './cost.ts'
import { exactly, type Figure } from './figure.ts'
import { provideLoad } from './load.ts'
import { spreadOf } from './ratio.ts'
import { commandsOf } from './redis-commands.ts'
import { type MeasuredBroker, prepareSetting, type Setting, type Teardown } from './setting.ts'

export interface DoorOptions {
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
  /** Clients that ask for a cold integration at once. */
  readonly clients: number
}

/** In the order of the table, each with the least share of the hits at `GET /tokens`. */
const MEASURED = {
  gateway: { what: '`/gateway`', atLeast: 0.6 },
  oauth: { what: '`/oauth/token`', atLeast: 0.6 },
  login: { what: 'the login URL, client credentials', atLeast: 0.6 },
  password: { what: 'the login URL, password', atLeast: 0.6 },
  refresh: { what: 'the login URL, refresh token', atLeast: 0.6 },
  soap: { what: 'SOAP `login()`', atLeast: 0.35 },
} as const satisfies Partial<Record<Door, unknown>>

type MeasuredDoor = keyof typeof MEASURED
const OTHERS = Object.keys(MEASURED) as readonly MeasuredDoor[]
const ALL = ['tokens', ...OTHERS] as const

interface Round {
  readonly costs: Readonly<Record<Door, Cost>>
  readonly commands: Readonly<Record<Door, number>>
}

export async function measureDoors(t: Teardown, options: DoorOptions): Promise<readonly Figure[]> {
  const { rounds, seconds, warmSeconds, clients } = options
  provideLoad()
  const setting = await prepareSetting(t)
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const broker = await setting.broker({
    redisUrl: redis.url,
    env: { VALETKEY_TRUST_PROXY: '127.0.0.1/32' },
  })
  await setting.integrate(broker, 'billing')
  const key = await keyOf(broker)
  const measure = (door: Door, duration: number) =>
    costOf(broker, {
      ...{ path: '/', seconds: duration },
      requests: { list: fromEverywhere(door, key), script: join(setting.folder, `${door}.lua`) },
    })
  for (const door of ALL) await measure(door, warmSeconds)
  const measured: Round[] = []
  for (let round = 0; round < rounds; round += 1) {
    const costs: Partial<Record<Door, Cost>> = {}
    const commands: Partial<Record<Door, number>> = {}
    // Each begins a round in its turn.
    for (const [index] of ALL.entries()) {
      const door = ALL[(index + round) % ALL.length] as Door
      const before = await commandsOf(redis.port)
      costs[door] = await measure(door, seconds)
      commands[door] = (await commandsOf(redis.port)) - before
    }
    measured.push({ costs, commands } as Round)
  }
  const herd = await coldHerd(setting, broker, key, clients)
  return [...figuresOf(measured), ...herd]
}

async function keyOf(broker: MeasuredBroker): Promise<string> {
  const { body } = await broker.process.call('POST', '/api-keys', {
    body: { name: 'bench', permissions: ['tokens:read'], integrations: ['*'] },
  })
  return body.key
}

/** Addresses that ask in turn. One that asks again and again is a client in a loop, and refused. */
const ADDRESSES = 5_000

function fromEverywhere(door: Door, key: string) {
  const request = doorRequests('billing', key)[door]
  return Array.from({ length: ADDRESSES }, (_, index) => ({
    ...request,
    headers: { ...request.headers, 'x-forwarded-for': `10.9.${index >> 8}.${index & 255}` },
  }))
}

/** How long Salesforce takes, so that all clients meet. */
const LOGIN_MS = 1_000
const ANSWER_MS = 30_000

async function coldHerd(
  setting: Setting,
  broker: MeasuredBroker,
  key: string,
  clients: number,
): Promise<readonly Figure[]> {
  const { simulator } = setting
  await setting.integrate(broker, 'cold')
  const slow = simulator.addFault({ kind: 'delay', ms: LOGIN_MS, times: null })
  const before = simulator.tokenRequests().length
  const requests = doorRequests('cold', key)
  const pool = new Pool(broker.url, { connections: clients, headersTimeout: ANSWER_MS })
  const startedAt = performance.now()
  const statuses = await Promise.all(
    Array.from({ length: clients }, async (_, index) => {
      const { method, path, headers, body } = requests[DOORS[index % DOORS.length] as Door]
      const address = `10.8.${index >> 8}.${index & 255}`
      const answer = await pool.request({
        ...{ method, path, headers: { ...headers, 'x-forwarded-for': address } },
        ...(body !== undefined && { body }),
      })
      await answer.body.dump()
      return answer.statusCode
    }),
  )
  const tookMs = performance.now() - startedAt
  await pool.close()
  slow.remove()
  return [
    {
      id: 'herd-logins',
      what: `logins for ${clients.toLocaleString('en-US')} clients at once, at all doors of a cold integration`,
      spread: exactly(simulator.tokenRequests().length - before),
      digits: 0,
      target: { atMost: 1 },
    },
    {
      id: 'herd-failures',
      what: 'of them, clients without a token',
      spread: exactly(statuses.filter((status) => status !== 200).length),
      digits: 0,
      target: { atMost: 0 },
    },
    {
      id: 'herd-ms',
      what: 'until all of them have it, less the second that Salesforce takes, ms',
      spread: exactly(tookMs - LOGIN_MS),
      digits: 0,
    },
  ]
}

function figuresOf(rounds: readonly Round[]): readonly Figure[] {
  const of = (value: (costs: Round['costs']) => number) =>
    spreadOf(rounds.map(({ costs }) => value(costs)))
  const ratios = OTHERS.map(
    (door): Figure => ({
      id: `${door}-ratio`,
      what: `requests a second, a hit at ${MEASURED[door].what} / at \`GET /tokens\``,
      spread: of((costs) => costs[door].requestsPerSecond / costs.tokens.requestsPerSecond),
      digits: 2,
      target: { atLeast: MEASURED[door].atLeast },
    }),
  )
  const cpu = OTHERS.map(
    (door): Figure => ({
      id: `${door}-cpu-ratio`,
      what: `the same by CPU time a request, ${MEASURED[door].what}`,
      spread: of((costs) => costs.tokens.cpuUs / costs[door].cpuUs),
      digits: 2,
    }),
  )
  const commands = ALL.map((door): Figure => {
    const hits = rounds.reduce((sum, { costs }) => sum + costs[door].requests, 0)
    const asked = rounds.reduce((sum, round) => sum + round.commands[door], 0)
    return {
      id: `${door}-commands`,
      what: `Redis commands a hit, ${door === 'tokens' ? '`GET /tokens`' : MEASURED[door].what}`,
      spread: exactly(asked / hits),
      digits: 5,
      target: { atMost: 0.01 },
    }
  })
  const failures = rounds.reduce(
    (sum, { costs }) => sum + ALL.reduce((total, door) => total + costs[door].failures, 0),
    0,
  )
  return [
    {
      id: 'rate',
      what: 'hits a second at `GET /tokens`, from many addresses',
      spread: of(({ tokens }) => tokens.requestsPerSecond),
      digits: 0,
    },
    ...ratios,
    ...cpu,
    {
      id: 'gateway-p99',
      what: 'p99 of a sub-request at `/gateway` / of a hit at `GET /tokens`',
      spread: of(({ gateway, tokens }) => gateway.p99Ms / tokens.p99Ms),
      digits: 2,
      target: { atMost: 1.5 },
    },
    ...commands,
    {
      id: 'failures',
      what: 'failed requests',
      spread: exactly(failures),
      digits: 0,
      target: { atMost: 0 },
    },
  ]
}
