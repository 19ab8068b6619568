/** Asks a process that is measured what it has spent so far: what it costs is told apart from what others do on the machine. */
import { request } from 'node:http'
import { join } from 'node:path'

export interface Spent {
  /** CPU time of the process, of all its threads. */
  readonly cpuUs: number
  /** Of it, outside of the kernel. */
  readonly userUs: number
  /** Of it, on the main thread: where JavaScript runs. */
  readonly mainUs: number
  readonly rssBytes: number
  readonly heapBytes: number
  /** Of it, without compiled code. */
  readonly dataBytes: number
  /** Since `watch`: the longest that the event loop came too late. */
  readonly loopMaxMs: number
  readonly loopP99Ms: number
  /** How long requests to Salesforce were under way, one after the other. */
  readonly outboundMs: number
  /** By name; digests are not among them. */
  readonly cryptoCalls: Readonly<Record<string, number>>
}

export interface Probe {
  /** For the process to start with. */
  readonly env: Readonly<Record<string, string>>
  readonly nodeArgs: readonly string[]
  read(): Promise<Spent>
  /** After a collection of garbage. */
  collected(): Promise<Spent>
  /** Looks at the delay of the event loop from now on, which costs a little. */
  watch(): Promise<void>
  unwatch(): Promise<Spent>
}

const INSIDE = new URL('./servers/probe.ts', import.meta.url).href

let count = 0

/** `folder`: a temporary one, for its socket. */
export function createProbe(folder: string): Probe {
  count += 1
  const socketPath = join(folder, `probe-${count}`)
  const ask = (path: string): Promise<Spent> =>
    new Promise((resolve, reject) => {
      const asked = request({ socketPath, path, agent: false }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => resolve(JSON.parse(text) as Spent))
        response.on('error', reject)
      })
      asked.on('error', reject).end()
    })

  return {
    env: { BENCH_PROBE: socketPath },
    nodeArgs: ['--expose-gc', '--import', INSIDE],
    read: () => ask('/read'),
    collected: () => ask('/collect'),
    async watch() {
      await ask('/watch')
    },
    unwatch: () => ask('/unwatch'),
  }
}

export const cryptoCallsBetween = (before: Spent, after: Spent): number =>
  sum(after.cryptoCalls) - sum(before.cryptoCalls)

const sum = (counts: Spent['cryptoCalls']): number =>
  Object.values(counts).reduce((total, count) => total + count, 0)
