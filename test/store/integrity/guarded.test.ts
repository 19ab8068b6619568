import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { guardStore } from '../../../src/store/integrity/guarded.ts'
import type { Documents, Store } from '../../../src/store/store.ts'
import { partOf } from '../../support/part.ts'

const RECORD = { id: 'billing', version: 1, body: '{}' }

/** Reads that are answered when told, and what was asked in which order. */
function guarded({ isSeen = false, isWiped = false } = {}) {
  const asked: string[] = []
  const { promise, resolve } = Promise.withResolvers<typeof RECORD | undefined>()
  const documents = partOf<Documents>({
    read(kind) {
      asked.push(kind)
      return promise
    },
  })
  const check = async () => {
    asked.push('check')
    if (isWiped) throw new BrokerError('store_reset', 'The store lost its content')
  }
  const store = guardStore(partOf<Store>({ documents }), { check, isSeen: () => isSeen })
  return { asked, answer: resolve, read: (kind: string) => store.documents.read(kind, 'billing') }
}

t.test('the check of a pin that is probably absent does not wait for its read', async (t) => {
  const { asked, answer, read } = guarded()
  const reading = read('identity')
  t.same(asked, ['identity', 'check'], 'the store answers them in this order')
  answer(undefined)
  t.equal(await reading, undefined)
  t.same(asked, ['identity', 'check'])
})

t.test('a pin that was seen before is checked only if its read is empty', async (t) => {
  const present = guarded({ isSeen: true })
  const reading = present.read('identity')
  present.answer(RECORD)
  t.equal(await reading, RECORD)
  t.same(present.asked, ['identity'])

  const absent = guarded({ isSeen: true })
  const empty = absent.read('identity')
  absent.answer(undefined)
  t.equal(await empty, undefined)
  t.same(absent.asked, ['identity', 'check'])
})

t.test('an absence in a store that lost its content is no absence', async (t) => {
  for (const isSeen of [false, true]) {
    const { answer, read } = guarded({ isSeen, isWiped: true })
    const reading = read('api-key')
    answer(undefined)
    await t.rejects(reading, { code: 'store_reset' })
  }
})

t.test('a record that is there needs no check, whatever the check says', async (t) => {
  const { answer, read } = guarded({ isWiped: true })
  const reading = read('identity')
  answer(RECORD)
  t.equal(await reading, RECORD)
})

t.test('the absence of other documents is not checked', async (t) => {
  const { asked, answer, read } = guarded({ isWiped: true })
  const reading = read('subject')
  answer(undefined)
  t.equal(await reading, undefined)
  t.same(asked, ['subject'])
})
