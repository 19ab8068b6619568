/** A table of plain text. The last column is cut where the line ends. */
import { type Colour, type Terminal, withoutControls } from './terminal.ts'

export interface Cell {
  readonly text: string
  readonly colour?: Colour
}

const GAP = '  '
const CUT = '…'

const cut = (text: string, width: number) =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}${CUT}`

/** `widest`: most columns of the first cell. Each line has the width of the terminal at most. */
export function tableLines(
  terminal: Pick<Terminal, 'paint' | 'width'>,
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  widest: number,
): readonly string[] {
  const shown = rows.map((row) =>
    row.map(({ text, ...cell }, at) => ({
      ...cell,
      text: at === 0 ? cut(withoutControls(text), widest) : withoutControls(text),
    })),
  )
  const widths = head.map((title, at) =>
    Math.max(title.length, ...shown.map((row) => row[at]?.text.length ?? 0)),
  )
  const lineOf = (cells: readonly Cell[]) => {
    let left = terminal.width
    return cells
      .map(({ text, colour }, at) => {
        const isLast = at === cells.length - 1
        const fitting = cut(text, Math.max(0, Math.min(left, isLast ? left : (widths[at] ?? 0))))
        const padded = isLast ? fitting : fitting.padEnd(widths[at] ?? 0)
        left -= (widths[at] ?? 0) + GAP.length
        return colour ? terminal.paint(colour, padded) : padded
      })
      .join(GAP)
      .trimEnd()
  }
  return [lineOf(head.map((text) => ({ text, colour: 'bold' }))), ...shown.map(lineOf)]
}
