/** From the start of the process to `/readyz` 200, with the embedded store in an empty folder: the sources, and the bundle. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { spawnValetkey } from '../test/support/broker.ts'
import { bundleRoot } from '../test/support/bundle.ts'
import type { Figure } from './figure.ts'
import { inTurn, spreadOf } from './ratio.ts'

const ROOT = join(import.meta.dirname, '..')
/** Of `/proc/PID/stat`: in hundredths of a second. */
const TICK_MS = 10

interface StartOptions {
  readonly rounds: number
  /** Between readiness and the reading of the memory. */
  readonly idleMs: number
}

interface Start {
  readonly readyMs: number
  /** Of all threads, until it is ready. */
  readonly cpuMs: number
  /** In MB. */
  readonly rss: number
  readonly pss: number
}

export async function measureStart({ rounds, idleMs }: StartOptions): Promise<readonly Figure[]> {
  const root = await bundleRoot()
  const fromSources = () => startFrom(ROOT, idleMs)
  const fromBundle = () => startFrom(root, idleMs)
  // The first start of the sources compiles them; it is not counted.
  await inTurn(1, fromSources, fromBundle)
  return figuresOf(await inTurn(rounds, fromSources, fromBundle))
}

/** From the bundle, in milliseconds. */
export const startOnce = async (): Promise<number> =>
  (await startFrom(await bundleRoot(), 0)).readyMs

function figuresOf(pairs: readonly (readonly [Start, Start])[]): readonly Figure[] {
  const of = (value: (sources: Start, bundle: Start) => number) =>
    spreadOf(pairs.map(([sources, bundle]) => value(sources, bundle)))
  const target = { atMost: 0.5 }
  return [
    {
      id: 'ready',
      what: 'from process start to ready, ms',
      spread: of((_sources, { readyMs }) => readyMs),
      digits: 0,
      target: { atMost: 1_000 },
    },
    {
      id: 'sources-ready',
      what: 'the same from the sources, ms',
      spread: of(({ readyMs }) => readyMs),
      digits: 0,
    },
    {
      id: 'ratio',
      what: 'time to ready, bundle / sources',
      spread: of((sources, bundle) => bundle.readyMs / sources.readyMs),
      digits: 2,
      target,
    },
    {
      id: 'cpu-ratio',
      what: 'the same by CPU time, which other processes disturb less',
      spread: of((sources, bundle) => bundle.cpuMs / sources.cpuMs),
      digits: 2,
      target,
    },
    {
      id: 'rss',
      what: 'RSS of the idle process, MB',
      spread: of((_sources, { rss }) => rss),
      digits: 1,
      target: { atMost: 100 },
    },
    {
      id: 'pss',
      what: 'PSS of the idle process, MB',
      spread: of((_sources, { pss }) => pss),
      digits: 1,
      target: { atMost: 70 },
    },
    {
      id: 'sources-rss',
      what: 'RSS of the idle process from the sources, MB',
      spread: of(({ rss }) => rss),
      digits: 1,
    },
  ]
}

async function startFrom(root: string, idleMs: number): Promise<Start> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-bench-'))
  const port = await freePort()
  const startedAt = performance.now()
  const env = {
    VALETKEY_PORT: String(port),
    VALETKEY_METRICS_PORT: String(await freePort()),
    VALETKEY_DATA_DIR: folder,
  }
  const child = spawnValetkey(['serve'], env, { root, isWatched: false })
  const ended = once(child, 'exit')
  try {
    while (!(await isReady(port))) await sleep(5)
    const readyMs = performance.now() - startedAt
    const cpuMs = cpuOf(child.pid)
    await sleep(idleMs)
    return { readyMs, cpuMs, ...memoryOf(child.pid) }
  } finally {
    child.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true })
  }
}

function cpuOf(pid: number | undefined): number {
  const [, afterName = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const [user, system] = afterName.split(' ').slice(11, 13)
  return (Number(user) + Number(system)) * TICK_MS
}

function memoryOf(pid: number | undefined): Pick<Start, 'rss' | 'pss'> {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const of = (name: string) =>
    Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)?.[1]) / 1024
  return { rss: of('Rss'), pss: of('Pss') }
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200
  } catch (error) {
    // Nobody listens yet.
    if (error instanceof TypeError) return false
    throw error
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
