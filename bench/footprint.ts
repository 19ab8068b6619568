/** Many integrations from their first read on: how fast 16 lanes get there, and what each holds in memory from then on. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { startRedis } from '../test/support/redis.ts'
import { exactly, type Figure } from './figure.ts'
import { eachOf, LANES, prepareMany } from './many.ts'
import {
  isPluginGone,
  type Openbao,
  openbaoPath,
  prepareOpenbaoApps,
  startOpenbao,
} from './peers/openbao.ts'
import { OPENBAO_NAME, type OpenbaoPrograms } from './peers/openbao-programs.ts'
import { type Memory, memoryOf } from './processes.ts'
import { spreadOf } from './ratio.ts'
import type { Engine } from './scale-store.ts'
import type { BrokerOptions, Setting, Teardown } from './setting.ts'
import { startOnce } from './start.ts'

export interface FootprintOptions {
  readonly count: number
  /** Of starts, and of rest. */
  readonly rounds: number
}

/** Until a process that was busy has come to rest. */
const REST_MS = 5_000
/** Longest time until a program that ended answers again, and the pause between two tries. */
const GONE_MS = 10_000
const GONE_PAUSE_MS = 20
/** So many more warm up what all others share, and are not counted: until then a process grows by some 15 MB, whoever is read. */
const WARM = 1_000

/** Of one of those that are compared, of so many integrations. */
interface Use {
  readonly firstReadsPerSecond: number
  readonly bytesOfEach: number
}

const STORES: Readonly<Record<Engine, string>> = { embedded: 'embedded store', redis: 'Redis' }

export async function measureFootprint(
  t: Teardown,
  setting: Setting,
  programs: OpenbaoPrograms | undefined,
  options: FootprintOptions,
): Promise<readonly Figure[]> {
  const { count, rounds } = options
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const brokers: Readonly<Record<Engine, BrokerOptions>> = {
    embedded: { env: { VALETKEY_DATA_DIR: `${setting.folder}/footprint` } },
    redis: { redisUrl: redis.url, env: { VALETKEY_REDIS_PREFIX: 'footprint:' } },
  }
  const starts: { ours: number; theirs: number | undefined }[] = []
  const rests: { ours: Memory; theirs: Memory | undefined }[] = []
  await startOnce()
  for (let round = 0; round < rounds; round += 1) {
    const ours = await startOnce()
    const broker = await setting.broker({ isProbed: false })
    const bao = programs && (await startOpenbao(t, setting, programs))
    starts.push({ ours, theirs: bao?.readyMs })
    await sleep(REST_MS)
    rests.push({ ours: memoryOf(broker.process.pid), theirs: bao && memoryOf(bao.pid) })
    await broker.process.kill('SIGTERM')
    await bao?.stop()
  }
  const uses = new Map<Engine, Use>()
  for (const engine of ['embedded', 'redis'] as const) {
    uses.set(engine, await useOfBroker(setting, brokers[engine], { prefix: `${engine}-`, count }))
  }
  const bao = programs && (await startOpenbao(t, setting, programs))
  const peer = bao && (await useOfOpenbao(setting, bao, count))
  const ends = bao?.pluginEnds()
  if (ends?.words !== undefined) {
    console.error(`The plugin of OpenBao ended ${ends.count} times: ${ends.words}`)
  }
  await bao?.stop()
  const faults: readonly Figure[] = ends
    ? [
        {
          id: 'openbao-ends',
          what: `times that the plugin of ${OPENBAO_NAME} ended under these reads`,
          spread: exactly(ends.count),
          digits: 0,
        },
      ]
    : []
  return [...figuresOfRest(starts, rests), ...figuresOfUse(uses, peer, count), ...faults]
}

interface Named {
  readonly prefix: string
  readonly count: number
}

async function useOfBroker(
  setting: Setting,
  options: BrokerOptions,
  { prefix, count }: Named,
): Promise<Use> {
  const unprobed = { ...options, isProbed: false }
  const maker = await setting.broker(unprobed)
  const grant = 'client_credentials'
  const { names } = await prepareMany(setting, maker, { prefix, count: WARM + count, grant })
  await maker.process.kill('SIGTERM')
  // A replica that has not seen any of them yet.
  const broker = await setting.broker(unprobed)
  const { authorization } = setting
  const use = await useOf(broker.process.pid, names, {
    origin: broker.url,
    headers: { authorization },
    path: (name) => `/tokens/${name}`,
  })
  await broker.process.kill('SIGTERM')
  return use
}

/** It keeps its records in its own memory: they are there before, and count for nothing. Its plugin ends under reads in lanes; what it did not answer is read again. */
async function useOfOpenbao(setting: Setting, bao: Openbao, count: number): Promise<Use> {
  const names = await prepareOpenbaoApps(setting, bao, {
    prefix: 'openbao-use-',
    count: WARM + count,
  })
  const { url: origin, headers } = bao
  return useOf(bao.pid, names, { origin, headers, path: openbaoPath, isGone: isPluginGone })
}

interface Service {
  readonly origin: string
  readonly headers: Readonly<Record<string, string>>
  path(name: string): string
  /** Whether it is to be asked again. Default: never. */
  isGone?(status: number, text: string): boolean
}

async function useOf(
  pid: number,
  names: readonly string[],
  { origin, headers, path, isGone }: Service,
): Promise<Use> {
  const pool = new Pool(origin, { connections: LANES })
  const read = (some: readonly string[]) =>
    eachOf(some, async (name) => {
      for (const until = performance.now() + GONE_MS; ; await sleep(GONE_PAUSE_MS)) {
        const asked = await pool.request({ method: 'GET', path: path(name), headers })
        const text = await asked.body.text()
        if (asked.statusCode === 200) return
        const isAskedAgain = isGone?.(asked.statusCode, text) && performance.now() < until
        if (!isAskedAgain) throw new Error(`${name}: ${asked.statusCode} ${text}`)
      }
    })
  const warm = names.slice(0, WARM)
  const counted = names.slice(WARM)
  // Our process gives back what only its start needed, when it first rests.
  await sleep(REST_MS)
  await read(warm)
  await read(warm)
  await sleep(REST_MS)
  const before = memoryOf(pid)
  const startedAt = performance.now()
  await read(counted)
  const seconds = (performance.now() - startedAt) / 1_000
  // A first read and a hit of each.
  await read(counted)
  await sleep(REST_MS)
  const after = memoryOf(pid)
  await pool.close()
  return {
    firstReadsPerSecond: counted.length / seconds,
    bytesOfEach: (after.rssBytes - before.rssBytes) / counted.length,
  }
}

function figuresOfRest(
  starts: readonly { readonly ours: number; readonly theirs: number | undefined }[],
  rests: readonly { readonly ours: Memory; readonly theirs: Memory | undefined }[],
): readonly Figure[] {
  const megabytes = (bytes: number) => bytes / 2 ** 20
  const rss = ({ rssBytes }: Memory) => megabytes(rssBytes)
  const pss = ({ pssBytes }: Memory) => megabytes(pssBytes)
  const spread = (id: string, what: string, values: readonly number[], atMost?: number) => ({
    ...{ id, what, spread: spreadOf(values), digits: 0 },
    ...(atMost !== undefined && { target: { atMost } }),
  })
  const peerStarts = starts.flatMap(({ theirs }) => (theirs === undefined ? [] : [theirs]))
  const peerRests = rests.flatMap(({ theirs }) => (theirs ? [theirs] : []))
  const peers = [
    spread('start-openbao', `start to ready, ${OPENBAO_NAME}, ms`, peerStarts),
    spread('idle-rss-openbao', `RSS at rest, ${OPENBAO_NAME}, MB`, peerRests.map(rss)),
    spread('idle-pss-openbao', `PSS at rest, ${OPENBAO_NAME}, MB`, peerRests.map(pss)),
  ]
  const ours = rests.map((rest) => rest.ours)
  return [
    spread(
      'start',
      'start to ready, embedded store, ms',
      starts.map((start) => start.ours),
    ),
    spread('idle-rss', 'RSS at rest, embedded store, MB', ours.map(rss), 100),
    spread('idle-pss', 'PSS at rest, embedded store, MB', ours.map(pss), 70),
    ...(peerRests.length > 0 ? peers : []),
  ]
}

function figuresOfUse(
  uses: ReadonlyMap<Engine, Use>,
  peer: Use | undefined,
  count: number,
): readonly Figure[] {
  const of = `${count.toLocaleString('en-US')} integrations`
  const rate = (id: string, who: string, use: Use): Figure => ({
    id: `first-reads-${id}`,
    what: `first reads a second of ${of} in ${LANES} lanes, ${who}`,
    spread: exactly(use.firstReadsPerSecond),
    digits: 0,
  })
  const memory = (id: string, who: string, use: Use): Figure => ({
    id: `used-rss-${id}`,
    what: `RSS for each of ${of} that were used, ${who}, KB`,
    spread: exactly(use.bytesOfEach / 1_024),
    digits: 1,
  })
  const ours = [...uses].flatMap(([engine, use]): readonly Figure[] => {
    const who = STORES[engine]
    const ratio: Figure | undefined = peer && {
      id: `first-reads-ratio-${engine}`,
      what: `first reads a second, Valetkey / ${OPENBAO_NAME}; ${who}`,
      spread: exactly(use.firstReadsPerSecond / peer.firstReadsPerSecond),
      digits: 2,
      target: { atLeast: 1 },
    }
    return [
      rate(engine, who, use),
      ...(ratio ? [ratio] : []),
      { ...memory(engine, who, use), target: { atMost: 8 } },
    ]
  })
  if (!peer) return ours
  return [...ours, rate('openbao', OPENBAO_NAME, peer), memory('openbao', OPENBAO_NAME, peer)]
}
