import { Socket } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { createLoginLoops } from '../../../src/tokens/look/login-loops.ts'

const login = { principalId: 'api-key:me', address: '203.0.113.7', tokenId: 't' }

function world() {
  let now = 0
  const loops = createLoginLoops(() => now)
  const socket = new Socket()
  return {
    loops,
    pass(ms: number) {
      now += ms
    },
    at: () => now,
    logIn: (change: Partial<typeof login> = {}, at = socket) =>
      loops.note({ ...login, ...change }, at),
  }
}

t.test('the 21st login within two seconds is a loop, and since when', async (t) => {
  const { logIn, pass } = world()
  pass(1)
  for (let i = 0; i < 20; i += 1) {
    t.equal(logIn(), undefined)
    pass(100)
  }
  t.same(logIn(), { since: 1, restMs: 30_000 })
})

t.test('20 logins in each two seconds are none', async (t) => {
  const { logIn, pass } = world()
  for (let i = 0; i < 200; i += 1) {
    t.equal(logIn(), undefined)
    pass(101)
  }
})

t.test('others are not counted with it', async (t) => {
  const { logIn } = world()
  for (let i = 0; i < 200; i += 1) {
    t.equal(logIn({ principalId: `api-key:${i}` }), undefined)
    t.equal(logIn({ address: `198.51.100.${i}` }), undefined)
    t.equal(logIn({ tokenId: `t${i}` }), undefined)
  }
})

t.test('a refused client is refused for 30 s, told once, and then answered', async (t) => {
  const { loops, logIn, pass } = world()
  for (let i = 0; i < 20; i += 1) logIn()
  const loop = logIn()
  t.ok(loop)
  if (!loop) return
  t.equal(loops.refused(login, loop), true)
  for (let i = 0; i < 100; i += 1) {
    pass(299)
    const again = logIn()
    t.same(again, { since: 0, restMs: 30_000 - (i + 1) * 299 })
    if (again) t.equal(loops.refused(login, again), false)
  }
  pass(100)
  t.equal(logIn(), undefined, 'whatever it asked meanwhile')
})

t.test('many connections at the same time are processes that start at once', async (t) => {
  const { logIn } = world()
  for (let i = 0; i < 2_000; i += 1) t.equal(logIn({}, new Socket()), undefined)
})

t.test('one connection after another is a loop, once it is more than 100', async (t) => {
  const { logIn } = world()
  const closed = () => new Socket().destroy()
  for (let i = 0; i < 100; i += 1) t.equal(logIn({}, closed()), undefined, `${i}`)
  t.ok(logIn({}, closed()))
})

t.test('a client is a loop if and only if it logs in 21 times in two seconds', async (t) => {
  const isRight = (pauses: readonly number[]) => {
    const { logIn, pass, at } = world()
    const times: number[] = []
    return pauses.every((ms) => {
      pass(ms)
      times.push(at())
      const recent = times.filter((time) => at() - time <= 2_000)
      return (logIn() !== undefined) === recent.length > 20
    })
  }
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(fc.nat(400), { maxLength: 80 }), isRight)))
})

t.test('the addresses of one IPv6 network are one', async (t) => {
  const { logIn } = world()
  for (let i = 0; i < 20; i += 1) t.equal(logIn({ address: `2001:db8:0:7::${i}` }), undefined)
  t.ok(logIn({ address: '2001:db8:0:7::ff' }))
  t.equal(logIn({ address: '2001:db8:0:8::1' }), undefined)
})

t.test('beyond 10,000 clients the oldest is forgotten, and no other', async (t) => {
  const { loops, logIn } = world()
  const others = (from: number, to: number) => {
    for (let i = from; i < to; i += 1) logIn({ principalId: `api-key:${i % 100}`, address: `${i}` })
  }
  others(0, 5_000)
  for (let i = 0; i < 20; i += 1) logIn()
  const loop = logIn()
  t.ok(loop)
  if (loop) loops.refused(login, loop)
  others(5_000, 14_999)
  t.ok(logIn(), 'it is still refused')
  others(14_999, 40_000)
  t.equal(logIn(), undefined, 'in the end it is forgotten, too')
})
