import t from 'tap'
import { createEvents } from '../../../src/runtime/events.ts'
import type { StoreEvents } from '../../../src/store/store-events.ts'
import { wakeByDocuments } from '../../../src/store/stream/wakes.ts'
import { testRuntime } from '../../support/runtime.ts'

const PULSE = { id: 's', seq: 1, due: '', age: '', listing: '' }

function waking() {
  const events = createEvents<StoreEvents>()
  const pauses: (() => void)[] = []
  const counts = { wakes: 0, ticks: 0 }
  const runtime = testRuntime({ sleep: () => new Promise((resolve) => pauses.push(resolve)) })
  wakeByDocuments(
    { events, runtime, stopping: new AbortController().signal },
    {
      wake() {
        counts.wakes += 1
      },
      tick() {
        counts.ticks += 1
      },
    },
    'deployment',
  )
  return {
    ...{ events, counts, pauses },
    changed: (kind: string) => events.emit('store.changed', { type: 'document', kind, id: 'a' }),
    async pass() {
      for (const end of pauses.splice(0)) end()
      await new Promise(setImmediate)
    },
  }
}

t.test('work is woken by documents of its kind, by many at once only once', async (t) => {
  const { counts, pauses, changed, pass } = waking()
  changed('revocation')
  t.equal(pauses.length, 0)
  for (let times = 0; times < 5; times += 1) changed('deployment')
  t.equal(pauses.length, 1)
  t.equal(counts.wakes, 0)
  await pass()
  t.equal(counts.wakes, 1)
  changed('deployment')
  await pass()
  t.equal(counts.wakes, 2)
})

t.test('and by what may have hidden changes', async (t) => {
  const { events, counts, pass } = waking()
  events.emit('store.gap', undefined)
  await pass()
  t.equal(counts.wakes, 1)
  events.emit('store.heard', undefined)
  await pass()
  t.equal(counts.wakes, 2)
})

t.test('each pulse lets it look at the clock', (t) => {
  const { events, counts } = waking()
  events.emit('store.pulse', PULSE)
  events.emit('store.pulse', PULSE)
  t.same(counts, { wakes: 0, ticks: 2 })
  t.end()
})
