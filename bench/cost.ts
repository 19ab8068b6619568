/** What a request costs: under load from another process, by the CPU time of the one that answers. */
import { type Load, type LoadOptions, load } from './load.ts'
import { cryptoCallsBetween, type Probe } from './probe.ts'

export interface Measured {
  readonly url: string
  readonly probe: Probe
}

export interface Cost extends Load {
  /** On the thread that runs JavaScript: what bounds the requests a second of one process. */
  readonly cpuUs: number
  /** On all threads. */
  readonly processUs: number
  readonly cryptoCalls: number
}

export async function costOf({ url, probe }: Measured, options: CostOptions): Promise<Cost> {
  const { path, ...rest } = options
  const before = await probe.read()
  const loaded = await load({ ...rest, url: url + path })
  const after = await probe.read()
  return {
    ...loaded,
    cpuUs: (after.mainUs - before.mainUs) / loaded.requests,
    processUs: (after.cpuUs - before.cpuUs) / loaded.requests,
    cryptoCalls: cryptoCallsBetween(before, after),
  }
}

export interface CostOptions extends Omit<LoadOptions, 'url'> {
  readonly path: string
}
