import t from 'tap'
import { type AuditShare, SHARES } from '../../src/audit/shares.ts'
import { createStoredEvents } from '../../src/audit/stored-events.ts'
import type { EventPlace } from '../../src/store/records.ts'
import { eventually } from '../support/eventually.ts'

function start() {
  let isAway = false
  const bodies: string[] = []
  const lines = new Map<string, string>()
  const warnings: string[] = []
  const lost: unknown[] = []
  const asked = (keep: number, { share = '', isDurable }: EventPlace = {}) => {
    if (isAway) throw new Error('away')
    const row = SHARES[share as AuditShare]
    t.same([keep, isDurable], [row.keep, row.isDurable])
  }
  const stored = createStoredEvents({
    events: {
      async append(batch, keep, place) {
        asked(keep, place)
        bodies.push(...batch)
      },
      async put(batch, keep, place) {
        asked(keep, place)
        for (const { key, body } of batch) lines.set(key, body)
      },
    },
    log: {
      warn(bindings, message) {
        warnings.push(message)
        if ('lost' in bindings) lost.push(bindings.lost)
      },
    },
  })
  return {
    stored,
    bodies,
    lines,
    warnings,
    lost,
    goAway(value: boolean) {
      isAway = value
    },
  }
}

t.test('an event is in the store when add resolves', async (t) => {
  const { stored, bodies } = start()
  await Promise.all(['a', 'b', 'c'].map((body) => stored.add('changes', body)))
  t.strictSame(bodies, ['a', 'b', 'c'])
  await stored.close()
})

t.test('events wait for a store that is away, in order, and nobody else does', async (t) => {
  const { stored, bodies, warnings, goAway } = start()
  goAway(true)
  await stored.add('changes', 'a')
  await stored.add('changes', 'b')
  t.strictSame(bodies, [])
  t.equal(warnings.length, 1)
  goAway(false)
  await eventually(() => bodies.length === 2)
  t.strictSame(bodies, ['a', 'b'])
  await stored.close()
})

t.test('what waits is bounded, and what is given up is counted', async (t) => {
  const { stored, bodies, lost, goAway } = start()
  goAway(true)
  for (let index = 0; index < 10_010; index += 1) void stored.add('changes', String(index))
  await eventually(() => stored.dropped() > 0)
  t.equal(stored.dropped(), 10)
  goAway(false)
  await stored.close()
  t.strictSame(lost, [10], 'it is said once they are stored again')
  t.equal(bodies.length, 10_000)
  t.equal(bodies[0], '10')
})

t.test('what waits of one share pushes out nothing of another', async (t) => {
  const { stored, bodies, goAway } = start()
  goAway(true)
  void stored.add('changes', 'a change')
  for (let index = 0; index < 10_000; index += 1) void stored.add('refusals', String(index))
  await eventually(() => stored.dropped() > 0)
  goAway(false)
  await stored.close()
  t.equal(bodies[0], 'a change')
  t.equal(bodies.length, 1 + SHARES.refusals.keep / 10)
})

t.test('of a line that grew while the store was away the last state is stored', async (t) => {
  const { stored, lines, goAway } = start()
  goAway(true)
  await stored.add('denials', 'one', 'line')
  await stored.add('denials', 'two', 'line')
  goAway(false)
  await stored.close()
  t.strictSame([...lines], [['line', 'two']])
  t.equal(stored.dropped(), 0)
})

t.test('what still waits at the end is lost to the store, and that is said', async (t) => {
  const { stored, lost, goAway } = start()
  goAway(true)
  await stored.add('changes', 'a')
  await stored.add('denials', 'b', 'line')
  await stored.close()
  t.strictSame(lost, [2])
})
