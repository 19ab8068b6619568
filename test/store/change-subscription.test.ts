import t from 'tap'
import { createEvents } from '../../src/runtime/events.ts'
import { createChangeSubscription } from '../../src/store/change-subscription.ts'
import type { Change } from '../../src/store/store.ts'
import type { StoreEvents } from '../../src/store/store-events.ts'
import { eventually } from '../support/eventually.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

const change = (rev: number): Change => ({ type: 'integration', name: 'a', rev })

t.test('changes that come thick and fast are read together', async (t) => {
  let clock = 0
  const heard: number[] = []
  const pauses: number[] = []
  /** How long each read waits before it brings something. */
  const waits = [100, 1, 2, 100]
  const events = createEvents<StoreEvents>()
  events.on('store.changed', (one) => {
    heard.push(one.type === 'integration' ? one.rev : 0)
  })
  const subscription = createChangeSubscription({
    changes: {
      tail: async () => 'begin',
      announce: async () => undefined,
      async read() {
        const waitMs = waits.shift()
        if (waitMs === undefined) return new Promise(() => undefined)
        clock += waitMs
        return { entries: [change(clock)], cursor: 'next', gap: false }
      },
    },
    events,
    runtime: testRuntime({
      now: () => clock,
      async sleep(ms) {
        pauses.push(ms)
        clock += ms
      },
    }),
    log: testLog({ warn: (_bindings, message) => t.fail(message) }),
  })
  subscription.start()
  await eventually(() => heard.length === 4)
  t.same(pauses, [4, 3], 'none where nothing had come for long')
  t.same(heard, [100, 101, 107, 210])
})
