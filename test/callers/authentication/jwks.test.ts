import { exportJWK, generateKeyPair, type JSONWebKeySet } from 'jose'
import t from 'tap'
import { createSigningKeys } from '../../../src/callers/authentication/jwks.ts'
import { testRuntime } from '../../support/runtime.ts'

const keyOf = async (kid: string) => ({
  ...(await exportJWK((await generateKeyPair('ES256')).publicKey)),
  kid,
  alg: 'ES256',
})
const one = await keyOf('one')
const two = await keyOf('two')
const header = (kid: string) => ({ alg: 'ES256', kid })

const SECOND = 1_000
const HOUR = 3_600 * SECOND

/** Keys of an issuer that does as it is told; the background sleeps until it is woken. */
function fixture({ random = 0.5 } = {}) {
  let time = 1_700_000_000_000
  let steady = 0
  let fetches = 0
  let answer: () => Promise<JSONWebKeySet> = async () => ({ keys: [one] })
  const sleeps: { readonly ms: number; readonly wake: () => void }[] = []
  const troubles: unknown[] = []
  const keys = createSigningKeys({
    fetch() {
      fetches += 1
      return answer()
    },
    runtime: testRuntime({
      monotonic: () => steady,
      wall: () => time,
      random: () => random,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          sleeps.push({ ms, wake: resolve })
          signal?.addEventListener('abort', () => resolve())
        }),
    }),
    onTrouble: (error) => troubles.push(error),
  })
  return {
    keys,
    sleeps,
    troubles,
    fetches: () => fetches,
    pass(ms: number) {
      time += ms
      steady += ms
    },
    /** Somebody sets the clock of the machine. */
    set(byMs: number) {
      time += byMs
    },
    answerWith(next: typeof answer) {
      answer = next
    },
    down() {
      answer = async () => {
        throw new Error('down')
      }
    },
  }
}

const asked = async (found: Promise<unknown>) =>
  found.then(
    () => 'found',
    (error: { cause?: { code?: string } }) => error.cause?.code,
  )

t.test('keys are fetched at the first question, and then known', async (t) => {
  const { keys, fetches } = fixture()
  t.equal(keys.isFresh(), undefined)
  t.ok(await keys.find(header('one')))
  t.ok(await keys.find(header('one')))
  t.equal(fetches(), 1)
  t.equal(keys.isFresh(), true)
})

t.test('an unknown kid asks again at most once in 30 s, whatever arrives', async (t) => {
  const { keys, fetches, pass } = fixture()
  await keys.find(header('one'))
  for (let kid = 0; kid < 1_000; kid += 1) {
    t.equal(await asked(keys.find(header(`random-${kid}`))), 'TOKEN_SIGNING_KEY_UNKNOWN')
    pass(29)
  }
  t.equal(fetches(), 1)
  pass(SECOND)
  await Promise.all(
    Array.from({ length: 100 }, (_, kid) => asked(keys.find(header(`random-${kid}`)))),
  )
  t.equal(fetches(), 2)
})

t.test('a failed attempt counts, too', async (t) => {
  const { keys, fetches, pass, down } = fixture()
  down()
  t.equal(await asked(keys.find(header('one'))), 'TOKEN_SIGNING_KEYS_UNAVAILABLE')
  pass(29 * SECOND)
  t.equal(await asked(keys.find(header('one'))), 'TOKEN_SIGNING_KEYS_UNAVAILABLE')
  t.equal(fetches(), 1)
  pass(SECOND)
  await asked(keys.find(header('one')))
  t.equal(fetches(), 2)
})

t.test('a key that the issuer added is found as soon as it may be asked for', async (t) => {
  const { keys, answerWith, pass } = fixture()
  await keys.find(header('one'))
  answerWith(async () => ({ keys: [one, two] }))
  pass(30 * SECOND)
  t.equal(await asked(keys.find(header('two'))), 'found')
  t.equal(await asked(keys.find(header('one'))), 'found')
})

t.test('a key that the issuer withdrew is known no longer', async (t) => {
  const { keys, answerWith, pass } = fixture()
  await keys.find(header('one'))
  answerWith(async () => ({ keys: [two] }))
  pass(30 * SECOND)
  await keys.find(header('two'))
  t.equal(await asked(keys.find(header('one'))), 'TOKEN_SIGNING_KEY_UNKNOWN')
})

t.test('an issuer that is down for a day leaves its keys working', async (t) => {
  const { keys, fetches, pass, down, sleeps, troubles } = fixture()
  keys.start()
  await keys.find(header('one'))
  down()
  let attempts = fetches()
  for (let minute = 0; minute < 24 * 60; minute += 1) {
    pass(60 * SECOND)
    sleeps.shift()?.wake()
    t.equal(await asked(keys.find(header('one'))), 'found', `minute ${minute}`)
    t.ok(fetches() - attempts <= 2, 'no storm')
    attempts = fetches()
  }
  t.equal(keys.isFresh(), false)
  t.ok(troubles.length > 100)
  pass(10 * 60 * SECOND)
  t.equal(
    await asked(keys.find(header('one'))),
    'TOKEN_SIGNING_KEYS_UNAVAILABLE',
    'but not for ever',
  )
  await keys.stop()
})

t.test(
  'keys are refreshed in the background, every five minutes give or take a fifth',
  async (t) => {
    for (const [random, ms] of [
      [0, 240_000],
      [0.5, 300_000],
      [1, 360_000],
    ] as const) {
      const { keys, sleeps, fetches, pass } = fixture({ random })
      keys.start()
      await keys.find(header('one'))
      await new Promise(setImmediate)
      t.equal(sleeps[0]?.ms, ms)
      pass(ms)
      sleeps[0]?.wake()
      await new Promise(setImmediate)
      t.equal(fetches(), 2)
      await keys.stop()
    }
  },
)

t.test('after a failure it is tried again after half a minute', async (t) => {
  const { keys, sleeps, down } = fixture({ random: 0 })
  down()
  keys.start()
  await new Promise(setImmediate)
  t.equal(sleeps[0]?.ms, 30_000)
  await keys.stop()
})

t.test('a process that was suspended asks before it trusts its keys', async (t) => {
  const { keys, answerWith, pass } = fixture()
  await keys.find(header('one'))
  answerWith(async () => ({ keys: [two] }))
  pass(HOUR)
  t.equal(await asked(keys.find(header('one'))), 'TOKEN_SIGNING_KEY_UNKNOWN')
})

t.test('a machine that slept asks first, though its steady clock stood', async (t) => {
  const { keys, fetches, set } = fixture()
  await keys.find(header('one'))
  set(HOUR)
  await keys.find(header('one'))
  t.equal(fetches(), 2)
})

t.test('a clock that is set, back or forth, makes keys neither older nor younger', async (t) => {
  const { keys, fetches, down, pass, set } = fixture()
  await keys.find(header('one'))
  down()
  set(-20 * SECOND)
  pass(30 * SECOND)
  t.equal(await asked(keys.find(header('new'))), 'TOKEN_SIGNING_KEY_UNKNOWN')
  t.equal(fetches(), 2, 'the pause is over')
  set(100 * HOUR)
  t.equal(await asked(keys.find(header('one'))), 'found', 'an issuer that is down keeps its keys')
  set(-200 * HOUR)
  pass(25 * HOUR)
  t.equal(await asked(keys.find(header('one'))), 'TOKEN_SIGNING_KEYS_UNAVAILABLE')
})

t.test('a set that is no set never replaces a good one', async (t) => {
  const { keys, answerWith, pass, troubles } = fixture()
  await keys.find(header('one'))
  for (const bad of ['{}', '{"keys":"x"}', '{"keys":[1]}', 'null']) {
    answerWith(async () => JSON.parse(bad))
    pass(30 * SECOND)
    await asked(keys.find(header('two')))
    t.equal(await asked(keys.find(header('one'))), 'found', bad)
  }
  t.equal(troubles.length, 4)
})
