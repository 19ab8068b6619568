import { once } from 'node:events'
import t from 'tap'
import { createDevicePoller } from '../../src/connections/device-poller.ts'
import { eventually } from '../support/eventually.ts'
import { partOf } from '../support/part.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

type Parts = Parameters<typeof createDevicePoller>[0]
type Turn = Parameters<Parts['flow']['poll']>[0]

t.test('a turn whose poll fails is looked at again when the poll is over', async (t) => {
  const poll = Promise.withResolvers<never>()
  let looks = 0
  const poller = createDevicePoller({
    schedule: {
      async *turns() {
        looks += 1
        yield partOf<Turn>({ id: 'a', nextAt: 0 })
      },
    },
    flow: { poll: () => poll.promise },
    audit: { isBlocked: () => false },
    runtime: testRuntime({
      now: () => 1,
      // Nothing but a wake ends a pause.
      async sleep(_ms, signal) {
        if (signal && !signal.aborted) await once(signal, 'abort')
      },
    }),
    log: testLog(),
  })
  t.teardown(() => poller.stop())
  poller.start()
  await eventually(() => looks === 1)
  poll.reject(new Error('away'))
  await eventually(() => looks >= 2)
})
