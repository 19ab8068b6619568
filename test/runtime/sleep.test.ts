/** Pauses of any length, and their end. */
import t from 'tap'
import { sleep } from '../../src/runtime/runtime.ts'

t.test('a pause that is longer than a timer can be is no short one', async (t) => {
  for (const days of [25, 60, 10_000]) {
    const ended = new AbortController()
    let isOver = false
    const pause = sleep(days * 86_400_000, ended.signal).then(() => {
      isOver = true
    })
    await sleep(20)
    t.equal(isOver, false, `${days} days`)
    ended.abort()
    await pause
    t.equal(isOver, true, 'its signal ends it')
  }
})
