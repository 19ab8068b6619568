/** Ten, a thousand and a hundred thousand integrations, in both stores: start, memory, hits, pages, and what the due index costs. */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cost, costOf } from './cost.ts'
import { exactly, type Figure } from './figure.ts'
import { provideLoad } from './load.ts'
import { eachOf, nameOf, prepareMany } from './many.ts'
import { spreadOf } from './ratio.ts'
import { COPY_PREFIX, ENGINES, type Engine, type ScaleStore, startEngine } from './scale-store.ts'
import { type MeasuredBroker, prepareSetting, type Setting, type Teardown } from './setting.ts'

export interface ScaleOptions {
  /** From few to many. */
  readonly sizes: readonly number[]
  /** How many of them are real, and used. */
  readonly used: number
  readonly rounds: number
  readonly seconds: number
}

interface Held {
  readonly size: number
  readonly store: ScaleStore
  readonly broker: MeasuredBroker
  /** Those that are real. */
  readonly names: readonly string[]
  readonly readyMs: readonly number[]
}

const STARTS = 3
const REST_SECONDS = 5

export async function measureScale(t: Teardown, options: ScaleOptions): Promise<readonly Figure[]> {
  provideLoad()
  const setting = await prepareSetting(t)
  setting.simulator.configure({ expiresIn: 7_200 })
  const figures: Figure[] = []
  for (const engine of ENGINES) {
    figures.push(...(await measureEngine(t, engine, setting, options)))
  }
  return figures
}

async function measureEngine(
  t: Teardown,
  engine: Engine,
  setting: Setting,
  { sizes, used, rounds, seconds }: ScaleOptions,
): Promise<readonly Figure[]> {
  const open = await startEngine(t, engine, setting)
  const held: Held[] = []
  for (const size of sizes) {
    const store = open(`${engine}-${size}`)
    held.push(await hold(setting, store, `${engine.slice(0, 1)}${size}-`, size, used))
  }
  const most = held.at(-1)
  const least = held[0]
  if (!most || !least) throw new RangeError('No sizes')
  const bytes = await bytesOfUse(setting, most)
  for (const one of held.slice(0, -1)) await use(setting, one.broker, one.names)
  const hits = await hitsOf(setting, held, rounds, seconds)
  const rests = { least: await restOf(least), most: await restOf(most) }
  const figures: readonly Figure[] = [
    {
      id: 'ready',
      what: `from process start to ready with ${count(most)}, ms`,
      spread: spreadOf(most.readyMs),
      digits: 0,
      target: { atMost: 2_000 },
    },
    {
      id: 'used-kb',
      what: 'memory of a replica for each integration that it used, KB',
      spread: exactly(bytes / 1024),
      digits: 2,
      target: { atMost: 2 },
    },
    ...held.map(
      (one, index): Figure => ({
        id: `hit-cpu-${one.size}`,
        what: `CPU time a hit with ${count(one)}, µs`,
        spread: spreadOf(hits.map((round) => round[index]?.cpuUs ?? Number.NaN)),
        digits: 1,
      }),
    ),
    ...held.slice(1).map(
      (one, index): Figure => ({
        id: `hit-flat-${one.size}`,
        what: `the same, ${one.size.toLocaleString('en-US')} / ${least.size}`,
        spread: spreadOf(
          hits.map((round) => (round[index + 1]?.cpuUs ?? 0) / (round[0]?.cpuUs ?? 0)),
        ),
        digits: 2,
        target: { atMost: 1.1 },
      }),
    ),
    ...(await figuresOfPages(most)),
    {
      id: 'rest',
      what: `CPU of a replica and its store at rest, ${count(most)} due in an hour, less that with ${least.size}, % of a core`,
      spread: exactly(rests.most - rests.least),
      digits: 2,
      target: { atMost: 1 },
    },
  ]
  for (const { broker } of held) await broker.process.kill('SIGTERM')
  return figures.map((figure) => ({
    ...figure,
    id: `${engine}-${figure.id}`,
    what: `${engine}: ${figure.what}`,
  }))
}

const count = ({ size }: Held) => `${size.toLocaleString('en-US')} integrations`

/** Fills the store, and starts a broker on it. */
async function hold(
  setting: Setting,
  store: ScaleStore,
  prefix: string,
  size: number,
  used: number,
): Promise<Held> {
  const maker = await setting.broker(store.options)
  const real = Math.min(size, used)
  const { names } = await prepareMany(setting, maker, {
    ...{ prefix, count: real, grant: 'client_credentials' as const },
  })
  await maker.process.kill('SIGTERM')
  await store.fill(names[0] ?? '', real, size)
  const readyMs: number[] = []
  let broker: MeasuredBroker | undefined
  for (let start = 0; start < STARTS; start += 1) {
    await broker?.process.kill('SIGTERM')
    broker = await setting.broker(store.options)
    readyMs.push(broker.readyMs)
  }
  if (!broker) throw new RangeError('No starts')
  // The indexer works in the background, once after an update, and would be counted with hits and rest.
  await untilIndexed(broker)
  return { size, store, broker, names, readyMs }
}

async function use(
  { authorization }: Setting,
  { url }: Pick<MeasuredBroker, 'url'>,
  names: readonly string[],
): Promise<void> {
  await eachOf(names, async (name) => {
    const answer = await fetch(`${url}/tokens/${name}`, { headers: { authorization } })
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(`${name}: ${answer.status} ${text}`)
  })
}

/** The first half warms up what all of them share. */
async function bytesOfUse(setting: Setting, { broker, names }: Held): Promise<number> {
  const first = Math.ceil(names.length / 2)
  await use(setting, broker, names.slice(0, first))
  await use(setting, broker, names.slice(0, first))
  const before = await broker.probe.collected()
  // A miss and a hit.
  await use(setting, broker, names.slice(first))
  await use(setting, broker, names.slice(first))
  const after = await broker.probe.collected()
  return (after.dataBytes - before.dataBytes) / (names.length - first)
}

/** By round, and in it by size: one integration after the other. */
async function hitsOf(
  { authorization, folder }: Setting,
  held: readonly Held[],
  rounds: number,
  seconds: number,
): Promise<readonly (readonly Cost[])[]> {
  const measure = ({ broker, names }: Held) =>
    costOf(broker, {
      path: '/',
      headers: { authorization },
      seconds,
      paths: {
        // As many names with each size, so that what is compared is the size of the store.
        names: names.slice(0, held[0]?.size).map((name) => `/tokens/${name}`),
        script: join(folder, 'paths.lua'),
      },
    })
  for (const one of held) await measure(one)
  const all: Cost[][] = []
  for (let round = 0; round < rounds; round += 1) {
    const costs: Cost[] = []
    for (const one of held) {
      const cost = await measure(one)
      if (cost.failures > 0) throw new Error(`${cost.failures} failed requests`)
      costs.push(cost)
    }
    all.push(costs)
  }
  return all
}

/** Percent of a core, with nobody asking. */
async function restOf({ broker, store }: Held): Promise<number> {
  const spent = async () => (await broker.probe.read()).cpuUs + (await store.engineCpuUs())
  const before = await spent()
  const startedAt = performance.now()
  await sleep(REST_SECONDS * 1_000)
  const after = await spent()
  return (after - before) / (performance.now() - startedAt) / 10
}

const PAGES = 10

/** Few of them are ready, and none is refused. */
const FILTERS = [
  ['page-ready', 'that are ready', 'state=ready'],
  ['page-unproven', 'that are unproven', 'state=unproven'],
  ['page-refused', 'that are refused', 'state=refused'],
  ['page-ending', 'whose certificate ends soon', 'certificate_expires_before=2030-01-01T00:00:00Z'],
] as const

/** The indexer is done with what the engine put into the store. */
export async function untilIndexed({ process }: MeasuredBroker): Promise<void> {
  for (;;) {
    const { body } = await process.call('GET', '/integrations/summary')
    if (body.complete) return
    await sleep(1_000)
  }
}

async function figuresOfPages({ broker, size, names }: Held): Promise<readonly Figure[]> {
  const middle = nameOf(COPY_PREFIX, Math.floor(size / 2))
  const cursor = Buffer.from(middle).toString('base64url')
  const timed = async (query: string) => {
    const times: number[] = []
    for (let page = 0; page < PAGES; page += 1) {
      const startedAt = performance.now()
      const { status, body } = await broker.process.call('GET', `/integrations?${query}`)
      times.push(performance.now() - startedAt)
      if (status !== 200) throw new Error(JSON.stringify(body))
    }
    return spreadOf(times)
  }
  const target = { atMost: 30 }
  const of = `of ${size.toLocaleString('en-US')}`
  const filtered: Figure[] = []
  for (const [id, what, query] of FILTERS) {
    const spread = await timed(query)
    filtered.push({ id, what: `a page of 50 ${what} ${of}, ms`, spread, digits: 1, target })
  }
  return [
    { id: 'page', what: `a page of 50 ${of}, ms`, spread: await timed(''), digits: 1, target },
    {
      id: 'page-middle',
      what: `a page of 50 from the middle ${of}, ms`,
      spread: await timed(`cursor=${cursor}`),
      digits: 1,
      target,
    },
    {
      id: 'page-200',
      what: `a page of 200 ${of}, the largest, ms`,
      spread: await timed(`cursor=${cursor}&limit=200`),
      digits: 1,
    },
    ...filtered,
    {
      id: 'one',
      what: `one by its name ${of}, ms`,
      spread: await timed(
        `limit=1&cursor=${Buffer.from(names.at(-1) ?? '').toString('base64url')}`,
      ),
      digits: 1,
    },
  ]
}
