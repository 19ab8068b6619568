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

/** Every public route, the longest file of `/docs`, and what is answered where there is no route or no key. */
const PATHS = [
  ...['/livez', '/readyz', '/openapi.json', '/openapi.yaml', '/docs', '/docs/json', '/docs/yaml'],
  ...['/docs/static/swagger-ui-bundle.js', '/docs/static/swagger-ui.css', '/docs/static/none'],
  ...['/problems', '/problems/internal', '/problems/none', '/oauth/callback?state=none'],
  ...['/nowhere', '/whoami', '/tokens/billing', '/metrics'],
]

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
  for (const path of PATHS) {
    // The first is made for all that follow.
    await (await fetch(broker.url + path)).arrayBuffer()
    const { processUs } = await costOf(broker, { path, seconds: 1 })
    costs.set(path, processUs / 1000)
  }

  const rest: Beside[] = []
  const besideMany: Beside[] = []
  const rates: number[] = []
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
    const { tookMs } = await many.stop()
    rates.push(tookMs.length / ((performance.now() - startedAt) / 1000))
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
      what: `the same beside ${anonymousPerSecond.toLocaleString('en-US')} anonymous requests a second / at rest`,
      spread: against(besideMany, ({ p99Ms }) => p99Ms),
      digits: 2,
      target: { atMost: 2 },
    },
    {
      id: 'many-rate',
      what: 'anonymous requests that were answered, a second',
      spread: spreadOf(rates),
      digits: 0,
      // A process starts in the first moments.
      target: { atLeast: anonymousPerSecond * 0.9 },
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
  const hits = startPaced({ url, paths: [HIT_PATH], perSecond: hitsPerSecond, headers })
  let rssBytes = 0
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    await sleep(250)
    rssBytes = Math.max(rssBytes, (await probe.read()).rssBytes)
  }
  const { tookMs, failures } = await hits.stop()
  const sorted = [...tookMs].sort((a, b) => a - b)
  return { p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN, rssBytes, failures }
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
