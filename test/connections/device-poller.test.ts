import { once } from 'node:events'
import t from 'tap'
import { createDevicePoller } from '../../src/connections/device-poller.ts'
import { eventually } from '../support/eventually.ts'
import { partOf } from '../support/part.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

type Parts = Parameters<typeof createDevicePoller>[0]
type Turn = Parameters<Parts['flow']['poll']>[0]

t.test('a turn whose poll fails is taken again after a pause, without another event', async (t) => {
  const first = Promise.withResolvers<never>()
  const second = Promise.withResolvers<void>()
  const polls = [first.promise, second.promise]
  const trouble = Promise.withResolvers<void>()
  let looks = 0
  let pauses = 0
  const poller = createDevicePoller({
    schedule: {
      async *turns() {
        looks += 1
        yield partOf<Turn>({ id: 'a', nextAt: 0 })
      },
    },
    flow: { poll: () => polls.shift() ?? Promise.reject(new Error('polled too often')) },
    audit: { isBlocked: () => false },
    runtime: testRuntime({
      now: () => 1,
      async sleep(ms, signal) {
        if (ms === 5_000) {
          pauses += 1
          return trouble.promise
        }
        // Nothing but a wake ends another pause.
        if (signal && !signal.aborted) await once(signal, 'abort')
      },
    }),
    log: testLog(),
  })
  t.teardown(async () => {
    second.resolve()
    await poller.stop()
  })
  poller.start()
  await eventually(() => looks === 1)
  first.reject(new Error('away'))
  await eventually(() => pauses === 1)
  t.equal(polls.length, 1, 'it is not polled again during the pause')
  trouble.resolve()
  await eventually(() => polls.length === 0)
  t.equal(pauses, 1)
})
