import t from 'tap'
import { createStoredEvents, KEPT_EVENTS } from '../../src/audit/stored-events.ts'
import { eventually } from '../support/eventually.ts'

function start() {
  let isAway = false
  const bodies: string[] = []
  const warnings: string[] = []
  const stored = createStoredEvents({
    events: {
      async append(batch, keep) {
        if (isAway) throw new Error('away')
        t.equal(keep, KEPT_EVENTS)
        bodies.push(...batch)
      },
    },
    log: { warn: (_bindings, message) => warnings.push(message) },
  })
  return {
    stored,
    bodies,
    warnings,
    goAway(value: boolean) {
      isAway = value
    },
  }
}

t.test('an event is in the store when add resolves', async (t) => {
  const { stored, bodies } = start()
  await Promise.all(['a', 'b', 'c'].map((body) => stored.add(body)))
  t.strictSame(bodies, ['a', 'b', 'c'])
  await stored.close()
})

t.test('events wait for a store that is away, in order, and nobody else does', async (t) => {
  const { stored, bodies, warnings, goAway } = start()
  goAway(true)
  await stored.add('a')
  await stored.add('b')
  t.strictSame(bodies, [])
  t.equal(warnings.length, 1)
  goAway(false)
  await eventually(() => bodies.length === 2)
  t.strictSame(bodies, ['a', 'b'])
  await stored.close()
})

t.test('what waits is bounded, and what is given up is counted', async (t) => {
  const { stored, bodies, goAway } = start()
  goAway(true)
  for (let index = 0; index < 10_010; index += 1) void stored.add(String(index))
  await eventually(() => stored.dropped() > 0)
  t.equal(stored.dropped(), 10)
  goAway(false)
  await stored.close()
  t.equal(bodies.length, 10_000)
  t.equal(bodies[0], '10')
})
