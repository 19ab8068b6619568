import t, { type Test } from 'tap'
import { createEvents } from '../../src/runtime/events.ts'
import { createChangeSubscription } from '../../src/store/change-subscription.ts'
import { CHANGES_PER_READ, type Pulse } from '../../src/store/records.ts'
import type { Change, Changes } from '../../src/store/store.ts'
import type { StoreEvents } from '../../src/store/store-events.ts'
import { eventually } from '../support/eventually.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

const change = (rev: number): Change => ({ type: 'integration', name: 'a', rev })
const never = () => new Promise<never>(() => undefined)
const until = (signal: AbortSignal | undefined) =>
  new Promise<void>((resolve) => {
    if (signal?.aborted) resolve()
    signal?.addEventListener('abort', () => resolve())
  })

t.test('changes that come thick and fast are read together', async (t) => {
  let clock = 0
  const heard: number[] = []
  const pauses: number[] = []
  /** How long each read waits before it brings something. */
  const waits = [100, 1, 2, 100]
  const events = createEvents<StoreEvents>()
  events.on('store.changed', (one) => {
    heard.push(one.type === 'integration' ? one.rev : 0)
  })
  const subscription = createChangeSubscription({
    changes: {
      tail: async () => 's/0',
      announce: async () => undefined,
      // Later than any cursor, so that each round reads.
      pulse: async () => ({ id: 's', seq: 1_000_000, due: '', age: '', listing: '' }),
      wait: async () => true,
      async read() {
        const waitMs = waits.shift()
        if (waitMs === undefined) return never()
        clock += waitMs
        return { entries: [change(clock)], cursor: `s/${clock}`, gap: false }
      },
    },
    events,
    runtime: testRuntime({
      now: () => clock,
      async sleep(ms, signal) {
        if (ms > 10) return until(signal)
        pauses.push(ms)
        clock += ms
      },
    }),
    log: testLog({ warn: (_bindings, message) => t.fail(message) }),
  })
  subscription.start()
  await eventually(() => heard.length === 4)
  t.same(pauses, [4, 3], 'none where nothing had come for long')
  t.same(heard, [100, 101, 107, 210])
  await subscription.stop()
})

/** A store with a stream of as many changes as `count` says, whose waits do not end until `bring` is called. */
function streaming(
  t: Test,
  parts: Partial<Changes> = {},
  onWarn: (message: string) => void = () => undefined,
) {
  const state = { id: 's', count: 0, clock: 0, reads: 0, pulses: 0, gaps: 0 }
  const heard: number[] = []
  let wake = Promise.withResolvers<void>()
  const since = (cursor: string) => {
    const [id, seq = ''] = cursor.split('/')
    const at = { cursor: `${state.id}/${state.count}` }
    if (id !== state.id || Number(seq) > state.count) return { ...at, entries: [], gap: true }
    const revs = Array.from({ length: state.count - Number(seq) }, (_, i) => Number(seq) + i + 1)
    return { ...at, entries: revs.map(change), gap: false }
  }
  const changes: Changes = {
    tail: async () => `${state.id}/${state.count}`,
    announce: async () => undefined,
    async pulse(): Promise<Pulse> {
      state.pulses += 1
      return { id: state.id, seq: state.count, due: '', age: '', listing: '' }
    },
    async wait() {
      await wake.promise
      return true
    },
    async read(cursor) {
      state.reads += 1
      return since(cursor)
    },
    ...parts,
  }
  const events = createEvents<StoreEvents>()
  events.on('store.changed', (one) => {
    heard.push(one.type === 'integration' ? one.rev : 0)
  })
  events.on('store.gap', () => {
    state.gaps += 1
  })
  const subscription = createChangeSubscription({
    changes,
    events,
    runtime: testRuntime({
      now: () => state.clock,
      async sleep(ms) {
        await new Promise(setImmediate)
        state.clock += ms
      },
    }),
    log: testLog({ warn: (_bindings, message) => onWarn(message) }),
  })
  t.teardown(subscription.stop)
  subscription.start()
  return {
    ...{ state, heard, subscription },
    /** The waits end. */
    bring() {
      wake.resolve()
      wake = Promise.withResolvers()
    },
    /** Until as many more pulses were asked for. */
    async beats(count: number) {
      const from = state.pulses
      await eventually(() => state.pulses >= from + count)
    },
  }
}

t.test('an idle replica is up to date by pulses alone', async (t) => {
  const askedAt: number[] = []
  const provenAt = [0]
  const { state, subscription, beats } = streaming(t, {
    async pulse(isProof) {
      askedAt.push(state.clock)
      if (isProof) provenAt.push(state.clock)
      state.pulses += 1
      return { id: state.id, seq: state.count, due: '', age: '', listing: '' }
    },
  })
  await beats(10)
  t.ok(subscription.isCurrent())
  t.equal(state.reads, 0)
  const pauses = askedAt.slice(1).map((at, index) => at - (askedAt[index] ?? 0))
  t.ok(Math.max(...pauses) <= 700, 'so that an answer may take 300 ms')
  t.ok(Math.min(...pauses) >= 500, 'and no more often')
  t.equal(state.gaps, 1, 'that of its beginning')
  const proofs = provenAt.slice(1).map((at, index) => at - (provenAt[index] ?? 0))
  t.ok(proofs.length >= 2 && Math.max(...proofs) <= 2_000, 'and a change would be accepted')
  t.ok(Math.min(...proofs) > 1_200, 'which is not asked each time')
})

t.test('a store that accepts no change any more is not trusted for its pulses', async (t) => {
  let accepts = true
  /** By the clock of the replica, which runs on meanwhile. */
  let refusedAt: number | undefined
  const { state, subscription, beats } = streaming(t, {
    async tail() {
      if (!accepts) throw new Error('read only')
      return `${state.id}/${state.count}`
    },
    async pulse(isProof) {
      state.pulses += 1
      if (isProof && !accepts) {
        refusedAt ??= state.clock
        throw new Error('read only')
      }
      return { id: state.id, seq: state.count, due: '', age: '', listing: '' }
    },
  })
  await beats(2)
  accepts = false
  const from = state.clock
  await eventually(() => !subscription.isCurrent())
  const afterMs = (refusedAt ?? Number.POSITIVE_INFINITY) - from
  t.ok(afterMs <= 2_000, `${afterMs} ms`)
})

t.test('a failure of the pulse starts no second wait beside the first', async (t) => {
  let fails = false
  let waiting = 0
  let most = 0
  const { state, subscription, beats } = streaming(t, {
    async wait() {
      waiting += 1
      most = Math.max(most, waiting)
      return never()
    },
    async pulse() {
      if (fails) throw new Error('away')
      state.pulses += 1
      return { id: state.id, seq: state.count, due: '', age: '', listing: '' }
    },
  })
  await beats(2)
  for (let times = 0; times < 3; times += 1) {
    fails = true
    await eventually(() => !subscription.isCurrent())
    fails = false
    await eventually(subscription.isCurrent)
  }
  t.equal(most, 1)
})

t.test('many changes are all heard before what is read is current', async (t) => {
  const { state, heard, subscription, beats } = streaming(t, {
    async read(cursor) {
      state.reads += 1
      const from = Number(cursor.split('/')[1])
      const to = Math.min(state.count, from + CHANGES_PER_READ)
      const entries = Array.from({ length: to - from }, (_, i) => change(from + i + 1))
      return { entries, cursor: `${state.id}/${to}`, gap: false }
    },
  })
  await beats(2)
  state.count = 4 * CHANGES_PER_READ + 1
  await beats(2)
  t.equal(heard.length, state.count)
  t.ok(subscription.isCurrent())
})

t.test('changes are heard though the connection of the waits is dead', async (t) => {
  const { state, heard, subscription, beats } = streaming(t)
  await beats(2)
  state.count += 2
  await beats(2)
  t.same(heard, [1, 2])
  state.count += 1
  await beats(2)
  t.same(heard, [1, 2, 3])
  t.ok(subscription.isCurrent())
  t.equal(state.gaps, 1)
})

t.test('a change is heard once, whether a wait or a pulse told of it', async (t) => {
  const { state, heard, beats, bring } = streaming(t)
  await beats(1)
  for (let times = 1; times <= 20; times += 1) {
    state.count += 1
    bring()
    await beats(1)
  }
  await beats(2)
  t.same(
    heard,
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  t.equal(state.gaps, 1)
})

t.test('another store, or an older state of it, is a gap at the next pulse', async (t) => {
  const { state, heard, subscription, beats } = streaming(t)
  state.count = 5
  await beats(2)
  const before = state.gaps
  state.count = 3
  await beats(2)
  t.equal(state.gaps, before + 1)
  state.id = 'another'
  await beats(2)
  t.equal(state.gaps, before + 2)
  t.ok(subscription.isCurrent(), 'what is read from now on is current')
  state.count += 1
  await beats(2)
  t.same(heard.at(-1), 4)
})

t.test('waits that fail are told once, and changes are heard by pulses', async (t) => {
  const said: string[] = []
  let isBroken = true
  const { state, heard, subscription, beats } = streaming(
    t,
    {
      async wait() {
        if (isBroken) throw new Error('refused')
        return new Promise(() => undefined)
      },
    },
    (message) => said.push(message),
  )
  await beats(3)
  state.count += 1
  await beats(2)
  t.same(heard, [1])
  t.ok(subscription.isCurrent())
  t.equal(state.gaps, 1)
  t.equal(said.length, 1)
  t.match(said, [/cannot be waited for/])
  isBroken = false
  await beats(2)
})

t.test('a store that gave no pulse is not heard, and then all is to be read again', async (t) => {
  let isAway = false
  const { state, subscription, beats } = streaming(t, {
    async tail() {
      if (isAway) throw new Error('away')
      return `${state.id}/${state.count}`
    },
    async pulse() {
      if (isAway) throw new Error('away')
      state.pulses += 1
      return { id: state.id, seq: state.count, due: '', age: '', listing: '' }
    },
  })
  await beats(2)
  isAway = true
  await eventually(() => !subscription.isCurrent())
  await eventually(() => subscription.silentForMs() > 1_000)
  t.notOk(subscription.isCurrent())
  const { gaps } = state
  const epoch = subscription.epoch()
  isAway = false
  await beats(1)
  await eventually(subscription.isCurrent)
  t.equal(state.gaps, gaps + 1, 'for it may be another server')
  t.not(subscription.epoch(), epoch)
})

t.test('the end does not wait for the next change', async (t) => {
  const { subscription, state, beats, bring } = streaming(t)
  await beats(1)
  await subscription.stop()
  const { pulses } = state
  state.count += 1
  bring()
  for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate)
  t.equal(state.pulses, pulses, 'nothing goes on')
})
