import t from 'tap'
import type { Change } from '../../../src/store/store.ts'
import { createChangeSubscription } from '../../../src/tokens/serve/subscription.ts'
import { eventually } from '../../support/eventually.ts'
import { testRuntime } from '../../support/runtime.ts'

const change = (rev: number): Change => ({ type: 'integration', name: 'a', rev })

t.test('changes that come thick and fast are read together', async (t) => {
  let clock = 0
  const heard: number[] = []
  const pauses: number[] = []
  /** How long each read waits before it brings something. */
  const waits = [100, 1, 2, 100]
  const hearing = createChangeSubscription({
    changes: {
      tail: async () => 'begin',
      async read() {
        const waitMs = waits.shift()
        if (waitMs === undefined) return new Promise(() => undefined)
        clock += waitMs
        return { entries: [change(clock)], cursor: 'next', gap: false }
      },
    },
    runtime: testRuntime({
      now: () => clock,
      async sleep(ms) {
        pauses.push(ms)
        clock += ms
      },
    }),
    onChange: (one) => heard.push(one.type === 'integration' ? one.rev : 0),
    onGap: () => undefined,
    onHeard: () => undefined,
    onTrouble: (error) => t.fail(String(error)),
  })
  hearing.start()
  await eventually(() => heard.length === 4)
  t.same(pauses, [4, 3], 'none where nothing had come for long')
  t.same(heard, [100, 101, 107, 210])
})
