/** Reads the mappings of a source map (ECMA-426). */

interface Segment {
  /** In the generated script; all numbers are from 0. */
  readonly line: number
  readonly column: number
  readonly source: number
  readonly sourceLine: number
  readonly sourceColumn: number
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const CONTINUES = 32

/** Segments with a source, in the order of the script. */
export function* segmentsOf(mappings: string): Generator<Segment> {
  let [source, sourceLine, sourceColumn] = [0, 0, 0]
  for (const [line, ofLine] of mappings.split(';').entries()) {
    let column = 0
    for (const segment of ofLine.split(',')) {
      const [columns = 0, sources, lines = 0, sourceColumns = 0] = numbersOf(segment)
      column += columns
      if (sources === undefined) continue
      source += sources
      sourceLine += lines
      sourceColumn += sourceColumns
      yield { line, column, source, sourceLine, sourceColumn }
    }
  }
}

/** Base64 VLQ: five bits a digit, the least first; the lowest bit of a number is its sign. */
function numbersOf(segment: string): readonly number[] {
  const numbers: number[] = []
  let [value, shift] = [0, 0]
  for (const letter of segment) {
    const digit = DIGITS.indexOf(letter)
    if (digit < 0) throw new Error(`a source map has the letter ${letter}`)
    value += (digit & (CONTINUES - 1)) * 2 ** shift
    shift += 5
    if ((digit & CONTINUES) !== 0) continue
    numbers.push(value % 2 === 0 ? value / 2 : -(value - 1) / 2)
    value = 0
    shift = 0
  }
  return numbers
}
