/** What a process and its children hold in memory, as Linux says it. */
import { readdirSync, readFileSync } from 'node:fs'

export interface Memory {
  /** Resident. */
  readonly rssBytes: number
  /** Of it, what is its own, and its share of what others hold, too. */
  readonly pssBytes: number
}

export function memoryOf(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(rollup)?.[1] ?? Number.NaN) * 1_024
  return childrenOf(pid)
    .map(memoryOf)
    .reduce(
      (sum, child) => ({
        rssBytes: sum.rssBytes + child.rssBytes,
        pssBytes: sum.pssBytes + child.pssBytes,
      }),
      { rssBytes: bytes('Rss'), pssBytes: bytes('Pss') },
    )
}

/** Any of its threads may have started them. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' '))
    .filter((child) => child !== '')
    .map(Number)
}
