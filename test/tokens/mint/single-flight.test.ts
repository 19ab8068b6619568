import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { createSingleFlight } from '../../../src/tokens/mint/single-flight.ts'

/** A store whose answers can be lost, although it did what it was asked. */
function setUp() {
  const held = new Map<string, string>()
  let isMute = false
  const answer = async <Value>(value: Value): Promise<Value> => {
    if (isMute) throw new BrokerError('store_unavailable', 'the store does not answer')
    return value
  }
  let owners = 0
  const warnings: { readonly bindings: object; readonly message: string }[] = []
  const flights = createSingleFlight({
    locks: {
      async acquire(name, owner) {
        const isFree = !held.has(name)
        if (isFree) held.set(name, owner)
        return answer(isFree)
      },
      renew: async (name, owner) => answer(held.get(name) === owner),
      async release(name, owner) {
        if (isMute) return answer(false)
        return held.get(name) === owner && held.delete(name)
      },
    },
    uniqueId: () => {
      owners += 1
      return `owner ${owners}`
    },
    log: { warn: (bindings, message) => warnings.push({ bindings, message }) },
  })
  return {
    held,
    flights,
    warnings,
    mute: (on: boolean) => {
      isMute = on
    },
  }
}

t.test('a lock that was taken without an answer is given back by who asked for it', async (t) => {
  const { held, flights, mute } = setUp()
  mute(true)
  const work = async () => 'done'
  await t.rejects(flights.underLock('billing', work), { code: 'store_unavailable' })
  t.same([...held.values()], ['owner 1'], 'it holds the lock, and does not know')
  await t.rejects(flights.underLock('billing', work), { code: 'store_unavailable' })
  mute(false)
  t.same(await flights.underLock('billing', work), { result: 'done' })
  t.equal(held.size, 0)
})

t.test('the lock of another is never given back', async (t) => {
  const { held, flights, mute } = setUp()
  held.set('billing', 'another replica')
  mute(true)
  await t.rejects(
    flights.underLock('billing', async () => 'done'),
    { code: 'store_unavailable' },
  )
  mute(false)
  t.equal(await flights.underLock('billing', async () => 'done'), undefined)
  t.same([...held.values()], ['another replica'])
})

t.test('what is read under a lock is asked for behind it, without waiting for it', async (t) => {
  const { flights, held } = setUp()
  const happened: string[] = []
  const read = async () => {
    happened.push(`read, held by ${held.get('billing')}`)
    return 'read'
  }
  const work = async (found: string) => {
    happened.push('worked')
    return found
  }
  t.same(await flights.readUnderLock('billing', read, work), { result: 'read' })
  t.same(happened, ['read, held by owner 1', 'worked'])

  held.set('billing', 'another replica')
  t.equal(await flights.readUnderLock('billing', read, work), undefined)
  t.equal(happened.filter((one) => one === 'worked').length, 1, 'nobody works without the lock')
})

t.test('a read that fails gives the lock back', async (t) => {
  const { flights, held } = setUp()
  const failing = () => Promise.reject(new Error('no such integration'))
  await t.rejects(
    flights.readUnderLock('billing', failing, async () => 'done'),
    {
      message: 'no such integration',
    },
  )
  await flights.settled()
  t.equal(held.size, 0)
  held.set('billing', 'another replica')
  t.equal(await flights.readUnderLock('billing', failing, async () => 'done'), undefined)
})

t.test('a mint does not wait until its lock is given back; rare work does', async (t) => {
  const releases: (() => void)[] = []
  const flights = createSingleFlight({
    locks: {
      acquire: async () => true,
      renew: async () => true,
      release: () => new Promise((resolve) => releases.push(() => resolve(true))),
    },
    uniqueId: () => 'owner',
    log: { warn: () => undefined },
  })
  const work = async () => 'done'
  t.same(await flights.readUnderLock('billing', work, work), { result: 'done' })
  let isOver = false
  const rare = flights.underLock('rotation', work).then(() => {
    isOver = true
  })
  await new Promise(setImmediate)
  t.notOk(isOver)
  for (const release of releases) release()
  await rare
  await flights.settled()
})

t.test('a lock that cannot be kept is called what it is, whatever it is for', async (t) => {
  const { flights, mute, warnings } = setUp()
  await flights.underLock('deployment:acme', async () => mute(true))
  t.match(warnings, [
    {
      bindings: { lock: 'deployment:acme' },
      message: /^a lock could not be renewed or released$/,
    },
  ])
  t.notOk('integration' in (warnings[0]?.bindings ?? {}))
})
