/** What those who are nobody can make the service do, and what it does to those who are somebody. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { costOf } from './cost.ts'
import { exactly, type Figure } from './figure.ts'
import { HIT_PATH } from './hit.ts'
import { load, provideLoad } from './load.ts'
import { startPaced } from './paced.ts'
import { type Spread, spreadOf } from './ratio.ts'
import { type MeasuredBroker, prepareSetting, type Setting, type Teardown } from './setting.ts'

/** Every public route, the longest file of `/docs`, a path without route and two that need a key; each with the statuses of its answer. An address without a key is throttled. */
const PATHS: Readonly<Record<string, readonly number[]>> = {
  ...{ '/livez': [200], '/readyz': [200], '/openapi.json': [200] },
  ...{ '/openapi.yaml': [200], '/docs': [200], '/docs/json': [200], '/docs/yaml': [200] },
  ...{ '/docs/static/swagger-ui-bundle.js': [200], '/docs/static/swagger-ui.css': [200] },
  ...{ '/docs/static/none': [404], '/problems': [200], '/problems/internal': [200] },
  ...{ '/problems/none': [404], '/oauth/callback?state=none': [400] },
  ...{ '/nowhere': [404], '/metrics': [404] },
  ...{ '/whoami': [401, 429], '/tokens/billing': [401, 429] },
}

export interface AnonymousOptions {
  readonly rounds: number
  readonly seconds: number
  /** Hits that are timed. */
  readonly hitsPerSecond: number
  readonly anonymousPerSecond: number
  /** Connections that ask and do not read. */
  readonly unread: number
}

interface Beside {
  readonly p99Ms: number
  readonly rssBytes: number
  readonly failures: number
}

/** Of each unread connection: some 4 KB, which is a hundred requests. */
const PIPELINED = 100
const UNREAD_PATHS = ['/openapi.json', '/docs/static/swagger-ui-bundle.js', '/problems', '/livez']

export async function measureAnonymous(
  t: Teardown,
  options: AnonymousOptions,
): Promise<readonly Figure[]> {
  const { rounds, seconds, anonymousPerSecond, unread } = options
  provideLoad()
  const setting = await prepareSetting(t)
  const broker = await setting.broker({ env: { VALETKEY_METRICS_PORT: '0' } })
  await setting.integrate(broker, 'billing')
  const headers = { authorization: setting.authorization }
  await load({ url: broker.url + HIT_PATH, headers, seconds })

  const costs = new Map<string, number>()
  for (const [path, statuses] of Object.entries(PATHS)) {
    // The first is made for all that follow.
    const first = await fetch(broker.url + path)
    await first.arrayBuffer()
    if (!statuses.includes(first.status)) throw new Error(`${path}: ${first.status}`)
    const { processUs } = await costOf(broker, { path, seconds: 1 })
    costs.set(path, processUs / 1000)
  }

  const rest: Beside[] = []
  const besideMany: Beside[] = []
  const rates: number[] = []
  let manyFailures = 0
  const besideUnread: Beside[] = []
  for (let round = 0; round < rounds; round += 1) {
    await broker.probe.collected()
    rest.push(await timeHits(setting, broker, options))
    const many = startPaced({
      ...{ url: broker.url, paths: PATHS, perSecond: anonymousPerSecond },
      yields: true,
    })
    const startedAt = performance.now()
    besideMany.push(await timeHits(setting, broker, options))
    const { answered, failures } = await many.stop()
    rates.push(answered / ((performance.now() - startedAt) / 1000))
    manyFailures += failures
    await broker.probe.collected()
    const sockets = await openUnread(broker, unread)
    besideUnread.push(await timeHits(setting, broker, options))
    for (const socket of sockets) socket.destroy()
    await sleep(500)
  }

  const against = (beside: readonly Beside[], value: (one: Beside) => number): Spread =>
    spreadOf(beside.map((one, round) => value(one) / value(rest[round] ?? one)))
  const failures = [...rest, ...besideMany, ...besideUnread].map((one) => one.failures)
  return [
    ...[...costs].map(
      ([path, ms]): Figure => ({
        id: `cpu ${path}`,
        what: `CPU time of an anonymous GET ${path}, all threads, ms`,
        spread: exactly(ms),
        digits: 3,
        target: { atMost: 0.5 },
      }),
    ),
    {
      id: 'rest-p99',
      what: 'p99 of a hit at rest, ms',
      spread: spreadOf(rest.map(({ p99Ms }) => p99Ms)),
      digits: 2,
    },
    {
      id: 'many-p99',
      what: `the same beside ${anonymousPerSecond.toLocaleString('en-US')} anonymous requests a second, from a process of the lowest priority / at rest`,
      spread: against(besideMany, ({ p99Ms }) => p99Ms),
      digits: 2,
      target: { atMost: 2 },
    },
    {
      id: 'many-rate',
      what: 'good answers to anonymous requests from this process, a second',
      spread: spreadOf(rates),
      digits: 0,
      // A process starts in the first moments.
      target: { atLeast: anonymousPerSecond * 0.9 },
    },
    {
      id: 'many-failures',
      what: 'anonymous requests from this process without a good answer',
      spread: exactly(manyFailures),
      digits: 0,
      target: { atMost: 0 },
    },
    {
      id: 'unread-p99',
      what: `the same beside ${unread} connections that ask and do not read / at rest`,
      spread: against(besideUnread, ({ p99Ms }) => p99Ms),
      digits: 2,
      target: { atMost: 2 },
    },
    {
      id: 'rest-rss',
      what: 'RSS at rest, MB',
      spread: spreadOf(rest.map(({ rssBytes }) => rssBytes / 1e6)),
      digits: 0,
    },
    {
      id: 'unread-rss',
      what: 'the same beside these connections / at rest',
      spread: against(besideUnread, ({ rssBytes }) => rssBytes),
      digits: 2,
      target: { atMost: 1.5 },
    },
    {
      id: 'failures',
      what: 'failed hits',
      spread: exactly(failures.reduce((sum, count) => sum + count, 0)),
      digits: 0,
      target: { atMost: 0 },
    },
  ]
}

/** The largest RSS while they last. */
async function timeHits(
  { authorization }: Setting,
  { url, probe }: MeasuredBroker,
  { hitsPerSecond, seconds }: AnonymousOptions,
): Promise<Beside> {
  const headers = { authorization }
  const hits = startPaced({ url, paths: { [HIT_PATH]: [200] }, perSecond: hitsPerSecond, headers })
  let rssBytes = 0
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    await sleep(250)
    rssBytes = Math.max(rssBytes, (await probe.read()).rssBytes)
  }
  const { p99Ms, failures } = await hits.stop()
  if (p99Ms === null) throw new Error('no hit was answered')
  return { p99Ms, rssBytes, failures }
}

async function openUnread(
  { url, probe }: MeasuredBroker,
  count: number,
): Promise<readonly Socket[]> {
  const { port } = new URL(url)
  const sockets = Array.from({ length: count }, (_, index) => {
    const socket = connect(Number(port), '127.0.0.1').pause()
    // One that does not read is cut off in the end.
    socket.on('error', () => undefined)
    const path = UNREAD_PATHS[index % UNREAD_PATHS.length]
    socket.write(`GET ${path} HTTP/1.1\r\nHost: broker\r\n\r\n`.repeat(PIPELINED))
    return socket
  })
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  await untilQuiet(probe)
  return sockets
}

/** As much as the kernel takes of the answers is written, and the rest waits. */
async function untilQuiet(probe: MeasuredBroker['probe']): Promise<void> {
  const STEP_MS = 250
  const end = performance.now() + 8_000
  let { cpuUs } = await probe.read()
  while (performance.now() < end) {
    await sleep(STEP_MS)
    const now = await probe.read()
    if (now.cpuUs - cpuUs < (STEP_MS * 1000) / 20) return
    cpuUs = now.cpuUs
  }
}
