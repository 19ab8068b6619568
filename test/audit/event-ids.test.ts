import t from 'tap'
import { createEventIds } from '../../src/audit/event-ids.ts'

t.test(
  'ids are unique, and in order even within a millisecond and when the clock steps back',
  async (t) => {
    let now = 1_800_000_000_000
    const eventIds = createEventIds({ now: () => now, replica: 'abcd1234' })
    const ids: string[] = []
    for (const step of [0, 0, 1, 0, -5_000, 0, 4_999, 10]) {
      now += step
      for (let index = 0; index < 50; index += 1) ids.push(eventIds.next().id)
    }
    t.equal(new Set(ids).size, ids.length)
    t.strictSame([...ids].sort(), ids)
    t.match(ids[0], /^[0-9a-z]{9}-\d{5}-abcd1234$/)
  },
)

t.test('the time is that of the clock, in RFC 3339', async (t) => {
  const eventIds = createEventIds({ now: () => Date.UTC(2026, 10, 22, 10, 0, 0, 7), replica: 'a' })
  t.equal(eventIds.next().at, '2026-11-22T10:00:00.007Z')
})

t.test('two replicas never give the same id', async (t) => {
  const now = () => 1_800_000_000_000
  const one = createEventIds({ now, replica: 'one' })
  const other = createEventIds({ now, replica: 'two' })
  t.not(one.next().id, other.next().id)
})

t.test('a clock that stands still runs out of no ids', async (t) => {
  const eventIds = createEventIds({ now: () => 1_800_000_000_000, replica: 'a' })
  let former = ''
  for (let index = 0; index < 200_000; index += 1) {
    const { id } = eventIds.next()
    if (id <= former) t.fail(`${id} after ${former}`)
    former = id
  }
  t.equal(former.length, '0mi9q2p4x-10001-a'.length)
})
