/** What counts as an operator's word on the store. */

import t from 'tap'
import { createEvents } from '../../../src/runtime/events.ts'
import { createStoreWatch } from '../../../src/store/integrity/store-watch.ts'
import type { DocumentRecord, Documents } from '../../../src/store/store.ts'
import type { StoreEvents } from '../../../src/store/store-events.ts'
import { partOf } from '../../support/part.ts'
import { testRuntime } from '../../support/runtime.ts'

function watching() {
  let current = { id: 'one', seq: 1 }
  let note: DocumentRecord | undefined
  const changes: boolean[] = []
  const watch = createStoreWatch({
    store: {
      identity: async () => current,
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
    events: createEvents<StoreEvents>(),
    onOtherContent: ({ isAccepted }) => void changes.push(isAccepted),
    runtime: testRuntime({ sleep: async () => undefined }),
    log: { error: () => undefined, info: () => undefined, warn: () => undefined },
  })
  return {
    watch,
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
