/** What counts as an operator's word on the store. */

import t from 'tap'
import { createEvents } from '../../../src/runtime/events.ts'
import { createStoreWatch } from '../../../src/store/integrity/store-watch.ts'
import type { DocumentRecord, Documents } from '../../../src/store/store.ts'
import type { StoreEvents } from '../../../src/store/store-events.ts'
import { eventually } from '../../support/eventually.ts'
import { partOf } from '../../support/part.ts'
import { testRuntime } from '../../support/runtime.ts'

function watching() {
  let current = { id: 'one', seq: 1 }
  let note: DocumentRecord | undefined
  const changes: boolean[] = []
  const events = createEvents<StoreEvents>()
  const pauses: number[] = []
  let looks = 0
  const watch = createStoreWatch({
    store: {
      async identity() {
        looks += 1
        return current
      },
      isBegunAnew: () => false,
      documents: partOf<Documents>({
        read: async () => note,
        async write(_kind, id, body) {
          note = { id, version: (note?.version ?? 0) + 1, body }
          current = { ...current, seq: current.seq + 1 }
          return note
        },
      }),
    },
    events,
    onOtherContent: ({ isAccepted }) => void changes.push(isAccepted),
    runtime: testRuntime({
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          pauses.push(ms)
          signal?.addEventListener('abort', () => resolve())
        }),
    }),
    log: { error: () => undefined, info: () => undefined, warn: () => undefined },
  })
  return {
    ...{ watch, pauses },
    looks: () => looks,
    pulse: (pulse: { readonly id: string; readonly seq: number }) =>
      events.emit('store.pulse', { ...pulse, due: '', age: '', listing: '' }),
    changed: (kind: string) => events.emit('store.changed', { type: 'document', kind, id: 'x' }),
    heard: () => events.emit('store.heard', undefined),
    changes: () => changes.splice(0),
    note: () => note,
    put: (next: DocumentRecord | undefined) => {
      note = next
    },
    become: (next: typeof current) => {
      current = next
    },
  }
}

t.test('an acceptance that is put back accepts nothing, and the next one does', async (t) => {
  const { watch, changes, note, put } = watching()
  await watch.accept()
  t.same(changes(), [true])
  const first = note()
  await watch.accept()
  t.same(changes(), [true])
  const second = note()

  for (const former of [first, undefined, second, first]) {
    put(former)
    await watch.look()
    t.same(changes(), [], `version ${former?.version}`)
  }
  await watch.accept()
  t.same(changes(), [true], 'also beside an older one that was put back')
})

t.test('a store that is another one, or its past, is accepted by a note of its own', async (t) => {
  const { watch, changes, put, become } = watching()
  for (let times = 0; times < 5; times += 1) await watch.accept()
  t.same(changes(), [true, true, true, true, true])
  put(undefined)
  become({ id: 'two', seq: 1 })
  await watch.look()
  t.same(changes(), [false])
  t.equal(await watch.accept(), 'wiped')
  t.same(changes(), [true])
  t.equal(watch.integrity(), 'sound')

  become({ id: 'two', seq: 0 })
  await watch.look()
  t.equal(watch.integrity(), 'rewound')
  changes()
  t.equal(await watch.accept(), 'rewound')
  t.same(changes(), [true])
  t.equal(watch.integrity(), 'sound')
})

t.test(
  'a sound store is looked at when a pulse, a note or an outage makes it necessary',
  async (t) => {
    const { watch, pauses, looks, pulse, changed, heard, become } = watching()
    t.teardown(watch.stop)
    watch.start()
    await eventually(() => pauses.length === 1)
    t.same(pauses, [30_000])
    become({ id: 'one', seq: 9 })
    for (const seq of [1, 5, 9]) pulse({ id: 'one', seq })
    changed('api-key')
    for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate)
    t.equal(looks(), 1)

    changed('store')
    await eventually(() => looks() === 2)
    heard()
    await eventually(() => looks() === 3)
    await eventually(() => pauses.length === 3)

    become({ id: 'one', seq: 7 })
    pulse({ id: 'one', seq: 7 })
    await eventually(() => watch.integrity() === 'rewound')
    await eventually(() => pauses.at(-1) === 1_000)
  },
)

t.test('another store is found by its pulse', async (t) => {
  const { watch, pauses, pulse, become } = watching()
  t.teardown(watch.stop)
  watch.start()
  await eventually(() => pauses.length === 1)
  become({ id: 'two', seq: 50 })
  pulse({ id: 'two', seq: 50 })
  await eventually(() => watch.integrity() === 'wiped')
})
