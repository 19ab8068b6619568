import t from 'tap'
import { createStoreClock } from '../../src/runtime/store-clock.ts'

function clockAt(t0: number) {
  const machine = { wall: t0, monotonic: 0 }
  const skews: number[] = []
  const clock = createStoreClock({
    wall: () => machine.wall,
    monotonic: () => machine.monotonic,
    onSkew: (aheadMs) => skews.push(aheadMs),
  })
  const pass = (ms: number) => {
    machine.wall += ms
    machine.monotonic += ms
  }
  /** A question that took so long, and was answered in the middle. */
  const ask = (storeNow: number, tookMs = 0) => {
    const asked = clock.moment()
    pass(tookMs)
    clock.learn(storeNow, asked, clock.moment())
  }
  return { clock, machine, pass, ask, skews }
}

t.test("is this machine's time until the store has told its own", async (t) => {
  const { clock, pass } = clockAt(1_000_000)
  pass(10.7)
  t.equal(clock.now(), 1_000_010)
})

t.test("is the store's time on a machine whose clock is wrong", async (t) => {
  for (const wrongMs of [-300_000, 300_000]) {
    const { clock, machine, pass, ask, skews } = clockAt(1_000_000 + wrongMs)
    ask(1_000_000)
    t.equal(clock.now(), 1_000_000)
    pass(5_000)
    t.equal(clock.now(), 1_005_000)
    t.same(skews, [wrongMs])
    machine.wall -= wrongMs
    ask(1_005_000)
    t.equal(clock.now(), 1_005_000)
    t.same(skews, [wrongMs, 0], 'and says when it is right again')
  }
})

t.test('stays where the answer is as late as the difference', async (t) => {
  const { clock, ask, skews } = clockAt(1_000_000)
  ask(1_000_000, 800)
  t.equal(clock.now(), 1_000_800)
  ask(1_001_600, 800)
  t.equal(clock.now(), 1_001_600)
  ask(1_003_000, 800)
  t.equal(clock.now(), 1_003_000, 'the least that explains it')
  ask(1_002_000, 800)
  t.equal(clock.now(), 1_002_800)
  t.same(skews, [])
})

t.test('does not follow a clock that is set back', async (t) => {
  const { clock, machine, pass, ask } = clockAt(1_000_000)
  ask(1_000_000)
  pass(1_000)
  machine.wall -= 300_000
  t.equal(clock.now(), 1_001_000)
  pass(1_000)
  t.equal(clock.now(), 1_002_000)
})

t.test(
  'is rather too late than too early when the clock is set forward, until the store tells',
  async (t) => {
    const { clock, machine, pass, ask } = clockAt(1_000_000)
    ask(1_000_000)
    machine.wall += 300_000
    t.equal(clock.now(), 1_300_000, 'it may have slept')
    pass(100)
    ask(1_000_100)
    t.equal(clock.now(), 1_000_100)
  },
)
