/** What the faults showed last, case by case: `results/faults.json`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Result, Row } from './fault-row.ts'
import { type Measurement, surroundings } from './results.ts'

/** A case may be run again without the others, so each says where and when. */
export interface FaultResult
  extends Result,
    Pick<Row, 'what' | 'must'>,
    Pick<Measurement, 'at' | 'commit' | 'machine' | 'versions'> {}

const PATH = new URL('results/faults.json', import.meta.url).pathname

/** In the order of the cases. */
export function readFaultResults(): readonly FaultResult[] {
  try {
    return JSON.parse(readFileSync(PATH, 'utf8')) as FaultResult[]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** `order`: the names of all cases. One that is no more is forgotten. */
export function keepFaultResult(
  { what, must }: Pick<Row, 'what' | 'must'>,
  { shown, holds }: Result,
  order: readonly string[],
): void {
  const result = { what, must, shown, holds, at: new Date().toISOString(), ...surroundings() }
  const others = readFaultResults().filter((one) => one.what !== what && order.includes(one.what))
  const all = [...others, result].sort((a, b) => order.indexOf(a.what) - order.indexOf(b.what))
  mkdirSync(dirname(PATH), { recursive: true })
  writeFileSync(PATH, `${JSON.stringify(all, undefined, 2)}\n`)
}

/** Lines of a Markdown table. */
export const faultTable = (results: readonly FaultResult[]): readonly string[] => [
  '| case | must show | measured |',
  '|---|---|---|',
  ...results.map(
    ({ what, must, shown, holds }) =>
      `| ${what} | ${must} | ${holds ? '' : '**missed**: '}${shown} |`,
  ),
]
