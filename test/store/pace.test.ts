import t, { type Test } from 'tap'
import { createPace } from '../../src/store/pace.ts'

function paced(_t: Test) {
  const told: string[] = []
  let at = 1_000_000
  const tell = (_: object, message: string) => told.push(message)
  const pace = createPace({ monotonic: () => at, log: { info: tell, warn: tell } })
  return {
    pace,
    told,
    /** Reads that take so long, one after the other, for so long. */
    reads(tookMs: number, forMs: number, isAnswered = true) {
      const until = at + forMs
      while (at < until) {
        at += Math.max(tookMs, 20)
        pace.note(tookMs, isAnswered)
      }
    },
    pass(ms: number) {
      at += ms
    },
  }
}

t.test('a store that answers late is slow within the window', async (t) => {
  const { pace, reads, told } = paced(t)
  reads(2, 10_000)
  t.notOk(pace.isSlow())
  reads(300, 5_500)
  t.ok(pace.isSlow())
  t.match(told, [/is slow/])
})

t.test('it is quick again soon after it answers soon', async (t) => {
  const { pace, reads, told } = paced(t)
  reads(900, 10_000)
  t.ok(pace.isSlow())
  reads(2, 1_000)
  t.notOk(pace.isSlow())
  t.match(told, [/is slow/, /no longer/])
  t.equal(told.length, 2, 'and it is told once')
})

t.test('it does not flap between both', async (t) => {
  const { pace, reads, told } = paced(t)
  for (let round = 0; round < 20; round += 1) {
    reads(300, 1_500)
    reads(200, 1_000)
  }
  t.ok(pace.isSlow())
  t.equal(told.length, 1)
})

t.test('one hiccup is no slowness, however many it catches', async (t) => {
  const { pace, reads, pass } = paced(t)
  reads(2, 5_000)
  pass(6_000)
  for (let read = 0; read < 50; read += 1) pace.note(2_000, true)
  t.notOk(pace.isSlow())
})

t.test('what fails at once says nothing, and what fails late kept somebody waiting', async (t) => {
  const { pace, reads } = paced(t)
  reads(1, 10_000, false)
  t.notOk(pace.isSlow())
  reads(900, 5_000, false)
  t.ok(pace.isSlow())
  reads(1, 2_000, false)
  t.ok(pace.isSlow(), 'and is no recovery')
  reads(1, 5_000, false)
  t.notOk(pace.isSlow(), 'a store that answers nothing is away, not slow')
})

t.test(
  'a store that answers late without being slow is logged once, and used as before',
  async (t) => {
    const { pace, reads, told } = paced(t)
    reads(200, 10_000)
    t.notOk(pace.isSlow())
    t.match(told, [/answers late/])
    reads(2, 3_000)
    t.match(told, [/answers late/, /no longer late/])
    reads(200, 6_000)
    reads(900, 6_000)
    t.ok(pace.isSlow())
    reads(2, 6_000)
    t.match(told.slice(2), [/answers late/, /is slow/, /no longer slow/])
    t.equal(told.length, 5)
  },
)
