/**
 * Stack traces of the bundle show the places in the sources. The tables that the build writes are
 * read when a place is first shown, and are not kept: with Node's own source maps a start takes twice
 * as long and 60 MB more.
 */
import { existsSync, readFileSync } from 'node:fs'

/** In the folder of the bundle: the names of the sources, one a line, and the rows. */
export const SOURCES = 'main.sources'
export const POSITIONS = 'main.positions'
/** Numbers of a row: line (from 1) and column (from 1) in the bundle, index of the source, its line and column. In the order of the bundle. */
const ROW = 5

const REMEMBERED_MAX = 1_000

/** Applies to errors whose `stack` is first read after this call. `folder` ends with a slash; `path` is that of the bundle. */
export function showSourcePositions(folder: URL, path: string): void {
  if (!existsSync(new URL(POSITIONS, folder))) return
  const escaped = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const places = new RegExp(`${escaped}:(\\d+):(\\d+)`, 'g')
  const known = new Map<string, string>()

  const learn = (stack: string): void => {
    const asked = [...stack.matchAll(places)].filter(([place]) => !known.has(place))
    if (asked.length === 0) return
    if (known.size > REMEMBERED_MAX) known.clear()
    const positions = readPositions(folder)
    for (const [place, line, column] of asked) {
      known.set(place, positions.sourceOf(Number(line), Number(column)) ?? place)
    }
  }

  const inBundle = Error.prepareStackTrace
  Error.prepareStackTrace = (error, sites) => {
    const stack = inBundle ? inBundle(error, sites) : [error, ...sites].join('\n    at ')
    if (typeof stack !== 'string') return stack
    learn(stack)
    return stack.replace(places, (place) => known.get(place) ?? place)
  }
}

function readPositions(folder: URL) {
  const sources = readFileSync(new URL(SOURCES, folder), 'utf8').split('\n')
  const bytes = readFileSync(new URL(POSITIONS, folder))
  const rows = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  const at = (row: number, member: number): number => rows[row * ROW + member] ?? 0
  return {
    /** The place of the last row that does not begin after this one. */
    sourceOf(line: number, column: number): string | undefined {
      let low = 0
      let high = rows.length / ROW
      while (low < high) {
        const middle = (low + high) >>> 1
        const isAfter = at(middle, 0) > line || (at(middle, 0) === line && at(middle, 1) > column)
        if (isAfter) high = middle
        else low = middle + 1
      }
      const row = low - 1
      const source = sources[at(row, 2)]
      if (row < 0 || at(row, 0) !== line || source === undefined) return undefined
      return `${new URL(source, folder).href}:${at(row, 3)}:${at(row, 4)}`
    },
  }
}
