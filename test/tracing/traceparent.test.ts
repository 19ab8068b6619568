import t from 'tap'
import { readTraceparent, writeTraceparent } from '../../src/tracing/traceparent.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

t.test('is read as W3C says, and written the same', async (t) => {
  const context = readTraceparent(`00-${TRACE}-${SPAN}-01`)
  t.strictSame(context, { traceId: TRACE, spanId: SPAN, traceFlags: 1, isRemote: true })
  t.equal(context && writeTraceparent(context), `00-${TRACE}-${SPAN}-01`)
  const unsampled = readTraceparent(`00-${TRACE}-${SPAN}-02`)
  t.equal(unsampled && writeTraceparent(unsampled), `00-${TRACE}-${SPAN}-00`)
})

t.test('a later version may say more', async (t) => {
  t.match(readTraceparent(`cc-${TRACE}-${SPAN}-01-what-the-future-brings`), { traceId: TRACE })
})

t.test('what is not valid is none', async (t) => {
  for (const header of [
    undefined,
    '',
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${SPAN}-1`,
    // Twice, as Node joins it.
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
  ]) {
    t.equal(readTraceparent(header), undefined, header ?? 'absent')
  }
})
