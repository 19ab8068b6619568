/** The rows of `ARCHITECTURE.md` about what is tried again, compared with the code. */
import t from 'tap'
import { RETRIES } from '../../src/tokens/mint/retry.ts'
import { readDocument } from '../support/document.ts'

type Row = (typeof RETRIES)[keyof typeof RETRIES]

const seconds = (ms: number) => `${ms / 1_000} s`

const pauseIn = ({ pauseMs }: Row): string => {
  if (typeof pauseMs !== 'number') {
    return `0 to ${seconds(pauseMs.least)}, doubled, at most ${seconds(pauseMs.most)}`
  }
  return pauseMs === 0 ? 'none' : `${pauseMs} ms`
}

const triesIn = (row: Row): string => {
  const tries = Number.isFinite(row.tries) ? String(row.tries) : 'unlimited'
  const isEnded = 'whileStopping' in row && !row.whileStopping
  return isEnded ? `${tries}, none while the process stops` : tries
}

/** A cell may say more after what the row says, but for a number that goes on. */
const begins = (cell: string, with_: string) =>
  cell.startsWith(with_) && !/^\w/.test(cell.slice(with_.length))

t.test('ARCHITECTURE.md shows each row of retries, in order, as the code has it', async (t) => {
  const section = /^## What is tried again$(.*?)^## /ms.exec(
    readDocument('ARCHITECTURE.md').text,
  )?.[1]
  const rows = [...(section ?? '').matchAll(/^\| `(\w+)` \|(.*)\|$/gm)].map(([, name, rest]) => {
    const [, tries = '', pause = '', deadline = ''] = (rest ?? '')
      .split('|')
      .map((one) => one.trim())
    return { name, tries, pause, deadline }
  })
  t.same(
    rows.map(({ name }) => name),
    Object.keys(RETRIES),
  )
  Object.entries(RETRIES).forEach(([name, row]: [string, Row], at) => {
    const { tries = '', pause = '', deadline = '' } = rows[at] ?? {}
    t.ok(begins(tries, triesIn(row)), `${name}: ${triesIn(row)} tries`)
    t.equal(/none while the process stops/.test(tries), /none while/.test(triesIn(row)), name)
    t.ok(begins(pause, pauseIn(row)), `${name}: a pause of ${pauseIn(row)}`)
    const least = 'leastMs' in row ? `with ${seconds(row.leastMs)} left` : undefined
    t.equal(/with .* left/.exec(deadline)?.[0], least, `${name}: the time left`)
  })
})
