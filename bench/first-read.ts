/** What the first caller of a token waits: Valetkey with both stores and both grants, OpenBao, and the steps alone, in turn. */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppSeed } from '../simulator/handle.ts'
import { startRedis } from '../test/support/redis.ts'
import { ask } from './ask.ts'
import type { Figure } from './figure.ts'
import { eachOf, nameOf, prepareBareApps, prepareMany } from './many.ts'
import {
  type Openbao,
  openbaoPath,
  prepareOpenbaoApps,
  prepareOpenbaoAssertions,
} from './peers/openbao.ts'
import { OPENBAO_NAME } from './peers/openbao-programs.ts'
import { type Spread, spreadOf } from './ratio.ts'
import { type SalesforceTime, watchSalesforce } from './salesforce-time.ts'
import type { Setting, Teardown } from './setting.ts'

export interface FirstReadOptions {
  readonly rounds: number
  /** First reads of each kind in a round, where Salesforce takes no time. */
  readonly near: number
  /** The same, where it takes {@link FAR_MS}. */
  readonly far: number
  /** First reads of each kind that are not counted. */
  readonly warm: number
}

/** What a call of Salesforce takes, as many see it. */
const FAR_MS = 100
/** Between two reads: what goes on after an answer is over by then. */
const GAP_MS = 10

const GRANTS = { client_credentials: 'client credentials', jwt_bearer: 'JWT bearer' } as const
type Grant = keyof typeof GRANTS
const GRANT_NAMES = Object.keys(GRANTS) as readonly Grant[]

type Who = 'embedded' | 'redis' | 'openbao' | 'bare'
const WHO: Readonly<Record<Who, string>> = {
  embedded: 'embedded store',
  redis: 'Redis',
  openbao: OPENBAO_NAME,
  bare: 'the same steps with nothing around them',
}

/** One way to a token that nobody has yet. */
interface Way {
  readonly who: Who
  readonly grant: Grant
  /** Each time of another integration. */
  read(): Promise<void>
}

/** By way, and in it by round: the medians, in milliseconds. */
type Medians = ReadonlyMap<Way, readonly number[]>

export async function measureFirstReads(
  t: Teardown,
  setting: Setting,
  bao: Openbao | undefined,
  options: FirstReadOptions,
): Promise<readonly Figure[]> {
  const { rounds, near, far, warm } = options
  const ways = await prepareWays(t, setting, bao, warm + rounds * (near + far))
  const salesforce = watchSalesforce(t, setting.simulator)
  for (const way of ways) for (let read = 0; read < warm; read += 1) await way.read()
  const own = await mediansOf(ways, rounds, (way) => ownShares(way, salesforce, near))
  const delay = setting.simulator.addFault({
    ...{ kind: 'delay', ms: FAR_MS, endpoint: 'any', times: null },
  })
  const calls = new Map<Way, number>()
  const waits = await mediansOf(ways, rounds, async (way) => {
    const before = salesforce.requests()
    const times = await waitsOf(way, far)
    calls.set(way, (calls.get(way) ?? 0) + (salesforce.requests() - before) / (far * rounds))
    return times
  })
  delay.remove()
  return [
    ...figuresOf(waits, {
      id: 'wait',
      what: `what the first caller waits where Salesforce takes ${FAR_MS} ms, ms`,
      short: `wait at ${FAR_MS} ms`,
      digits: 0,
      ofOpenbao: 1.1,
    }),
    ...[...calls].map(([way, count]) => ({
      id: `calls-${way.who}-${way.grant}`,
      what: `calls of Salesforce for each first read; ${nameOfWay(way)}`,
      spread: spreadOf([count]),
      digits: 1,
    })),
    ...figuresOf(own, {
      id: 'own',
      what: 'own share of a first read, without what Salesforce works; p50, ms',
      short: 'own share',
      digits: 2,
      ofOpenbao: 0.8,
      ofBare: 1.25,
    }),
  ]
}

async function prepareWays(
  t: Teardown,
  setting: Setting,
  bao: Openbao | undefined,
  count: number,
): Promise<readonly Way[]> {
  const { simulator, authorization } = setting
  const loginUrl = simulator.origins.myDomain
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const brokers = {
    embedded: await setting.broker({ isProbed: false }),
    redis: await setting.broker({ isProbed: false, redisUrl: redis.url }),
  }
  const ways: Way[] = []
  const reading = (who: Who, grant: Grant, read: (name: string) => Promise<void>) => {
    let at = 0
    ways.push({
      ...{ who, grant },
      read() {
        at += 1
        return read(nameOf(prefixOf(who, grant), at - 1))
      },
    })
  }
  const getter = (url: (name: string) => string, headers: Readonly<Record<string, string>>) => {
    const agent = new Agent({ keepAlive: true })
    t.teardown(() => agent.destroy())
    return async (name: string) => {
      const { status, cacheStatus, text } = await ask(url(name), { agent, headers })
      if (status !== 200) throw new Error(`${name}: ${status} ${text}`)
      if (cacheStatus.includes('hit')) throw new Error(`${name} is no first read: ${cacheStatus}`)
    }
  }
  for (const grant of GRANT_NAMES) {
    for (const who of ['embedded', 'redis'] as const) {
      const broker = brokers[who]
      await prepareMany(setting, broker, { prefix: prefixOf(who, grant), count, grant })
      reading(
        who,
        grant,
        getter((name) => `${broker.url}/tokens/${name}`, { authorization }),
      )
    }
    const apps = await prepareBareApps(setting, { prefix: prefixOf('bare', grant), count, grant })
    const bare = await setting.server('./peers/bare-mint.ts', [redis.url, loginUrl, apps.file])
    reading(
      'bare',
      grant,
      getter((name) => `${bare.url}/tokens/${name}`, {}),
    )
  }
  if (bao) {
    await prepareOpenbaoApps(setting, bao, {
      prefix: prefixOf('openbao', 'client_credentials'),
      count,
    })
    const url = (name: string) => bao.url + openbaoPath(name)
    reading('openbao', 'client_credentials', getter(url, bao.headers))
    const assertions = await prepareOpenbaoAssertions(bao)
    const { certificatePem } = assertions
    const apps = new Map<string, AppSeed>()
    for (let at = 0; at < count; at += 1) {
      const name = nameOf(prefixOf('openbao', 'jwt_bearer'), at)
      apps.set(name, simulator.addJwtApp({ name, certificatePem }))
    }
    await eachOf([...apps.keys()], (name) => assertions.add(appOf(apps, name)))
    reading('openbao', 'jwt_bearer', (name) => assertions.mint(appOf(apps, name)))
  }
  return ways
}

function appOf(apps: ReadonlyMap<string, AppSeed>, name: string): AppSeed {
  const app = apps.get(name)
  if (!app) throw new RangeError(name)
  return app
}

/** Of the names of its integrations. */
const prefixOf = (who: Who, grant: Grant) => `${who}-${grant.slice(0, 3)}-`

/** All of them in each round, and each first in its turn. */
async function mediansOf(
  ways: readonly Way[],
  rounds: number,
  measure: (way: Way) => Promise<readonly number[]>,
): Promise<Medians> {
  const medians = new Map<Way, number[]>(ways.map((way) => [way, []]))
  for (let round = 0; round < rounds; round += 1) {
    const first = round % ways.length
    for (const way of [...ways.slice(first), ...ways.slice(0, first)]) {
      medians.get(way)?.push(spreadOf(await measure(way)).median)
    }
  }
  return medians
}

async function ownShares(
  way: Way,
  salesforce: SalesforceTime,
  count: number,
): Promise<readonly number[]> {
  const shares: number[] = []
  for (let read = 0; read < count; read += 1) {
    salesforce.clear()
    const from = performance.now()
    await way.read()
    const to = performance.now()
    shares.push(to - from - salesforce.within(from, to))
    await sleep(GAP_MS)
  }
  return shares
}

async function waitsOf(way: Way, count: number): Promise<readonly number[]> {
  const waits: number[] = []
  for (let read = 0; read < count; read += 1) {
    const from = performance.now()
    await way.read()
    waits.push(performance.now() - from)
    // A call after the answer takes as long, and is not to meet the next read.
    await sleep(FAR_MS + 2 * GAP_MS)
  }
  return waits
}

interface Rows {
  readonly id: string
  readonly what: string
  /** Of a ratio. */
  readonly short: string
  readonly digits: number
  /** At most so much of what OpenBao needs. */
  readonly ofOpenbao: number
  /** At most so much of what the steps alone need. Absent: not compared. */
  readonly ofBare?: number
}

const nameOfWay = ({ who, grant }: Way): string =>
  who === 'openbao' && grant === 'jwt_bearer'
    ? `${GRANTS[grant]}, ${WHO[who]}: its transit signs, and the plugin asks and keeps`
    : `${GRANTS[grant]}, ${WHO[who]}`

function figuresOf(medians: Medians, rows: Rows): readonly Figure[] {
  const { id, what, short, digits, ofOpenbao, ofBare } = rows
  const find = (who: Who, grant: Grant) =>
    [...medians].find(([way]) => way.who === who && way.grant === grant)?.[1]
  const plain = [...medians]
    .filter(([{ who }]) => who !== 'bare' || ofBare !== undefined)
    .map(([way, values]) => ({
      id: `${id}-${way.who}-${way.grant}`,
      what: `${what}; ${nameOfWay(way)}`,
      spread: spreadOf(values),
      digits,
    }))
  const compared = [...medians].flatMap(([way, values]): readonly Figure[] => {
    const { who, grant } = way
    if (who === 'openbao' || who === 'bare') return []
    const ratio = (other: Who, atMost: number): readonly Figure[] => {
      const others = find(other, grant)
      if (!others) return []
      return [
        {
          id: `${id}-ratio-${other}-${who}-${grant}`,
          what: `${short}, Valetkey / ${WHO[other]}; ${nameOfWay(way)}`,
          spread: ratios(values, others),
          digits: 2,
          target: { atMost },
        },
      ]
    }
    return [
      ...ratio('openbao', ofOpenbao),
      // It stands on Redis, too.
      ...(who === 'redis' && ofBare !== undefined ? ratio('bare', ofBare) : []),
    ]
  })
  return [...plain, ...compared]
}

/** Round by round. */
function ratios(values: readonly number[], others: readonly number[]): Spread {
  return spreadOf(values.map((value, round) => value / (others[round] ?? Number.NaN)))
}
