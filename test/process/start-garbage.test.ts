import t from 'tap'
import { collectAll, collectAtRest } from '../../src/process/start-garbage.ts'

t.test('what the start left is collected once, as soon as the process rests', async (t) => {
  const looks: (() => void)[] = []
  const every: (number | undefined)[] = []
  const cleared: unknown[] = []
  const timer = { unref: () => timer }
  t.intercept(globalThis, 'setInterval', {
    value: (look: () => void, ms?: number) => {
      looks.push(look)
      every.push(ms)
      return timer
    },
  })
  t.intercept(globalThis, 'clearInterval', { value: (one: unknown) => cleared.push(one) })
  let busy = 0.5
  let collections = 0
  collectAtRest({
    utilization: () => busy,
    collect() {
      collections += 1
    },
  })
  t.same(every, [1_000])
  looks[0]?.()
  t.equal(collections, 0, 'callers are not made to wait')
  busy = 0.05
  looks[0]?.()
  t.equal(collections, 1)
  t.same(cleared, [timer])
})

t.test('a collection frees what nobody holds, and leaves no global of V8 behind', async (t) => {
  const held = new WeakRef({ text: 'x'.repeat(1_000) })
  // Its creation holds it until the end of this turn.
  await new Promise((resolve) => setImmediate(resolve))
  collectAll()
  t.equal(held.deref(), undefined)
  t.equal(globalThis.gc, undefined)
})
