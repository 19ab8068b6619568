import t from 'tap'
import { createRememberedDocuments } from '../../src/callers/remembered-documents.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { DocumentRecord } from '../../src/store/store.ts'

const KIND = 'api-key'
const unavailable = () => new BrokerError('store_unavailable', 'the store does not answer')

/** A store and a subscription that do as they are told. */
function fixture({ degradedMs = 900_000, limit = 10_000 } = {}) {
  let time = 1_000_000
  let epoch = 1
  let hears = true
  let isSlow = false
  let heardAt = time
  const bodies = new Map<string, string>()
  const reads: string[] = []
  let answer: (id: string) => Promise<DocumentRecord | undefined> = async (id) => {
    const body = bodies.get(id)
    return body === undefined ? undefined : { id, version: 1, body }
  }
  const fromStore = answer
  const documents = createRememberedDocuments({
    kind: KIND,
    documents: {
      read(_kind, id) {
        reads.push(id)
        return answer(id)
      },
    },
    memory: {
      stream: { isCurrent: () => hears, epoch: () => epoch, silentForMs: () => time - heardAt },
      isSlow: () => isSlow,
      monotonic: () => time,
      degradedMs,
    },
    parse: ({ body }) => body,
    limit,
  })
  return {
    documents,
    bodies,
    reads,
    fromStore,
    pass(ms: number) {
      time += ms
      if (hears) heardAt = time
    },
    loseStore() {
      hears = false
      epoch += 1
      documents.distrust()
    },
    findStore() {
      epoch += 1
      documents.distrust()
      hears = true
      heardAt = time
    },
    slowDown() {
      isSlow = true
    },
    deafen() {
      hears = false
    },
    answerWith(next: typeof answer) {
      answer = next
    },
  }
}

t.test('what was read once is answered at once, while the store is heard', async (t) => {
  const { documents, bodies, reads } = fixture()
  bodies.set('a', 'one')
  t.equal(await documents.find('a'), 'one')
  t.equal(documents.find('a'), 'one', 'not a promise')
  t.same(reads, ['a'])
})

t.test('concurrent requests share one read', async (t) => {
  const { documents, bodies, reads } = fixture()
  bodies.set('a', 'one')
  const found = await Promise.all([documents.find('a'), documents.find('a'), documents.find('a')])
  t.same(found, ['one', 'one', 'one'])
  t.same(reads, ['a'])
})

t.test('a change that is heard drops the document', async (t) => {
  const { documents, bodies, reads } = fixture()
  bodies.set('a', 'one')
  await documents.find('a')
  bodies.delete('a')
  documents.heard({ type: 'document', kind: 'another', id: 'a' })
  t.equal(documents.find('a'), 'one', 'of another kind')
  documents.heard({ type: 'document', kind: KIND, id: 'a' })
  t.equal(await documents.find('a'), undefined)
  t.same(reads, ['a', 'a'])
})

t.test('a read that began before a change is neither joined nor kept', async (t) => {
  const { documents, bodies, reads, answerWith, fromStore } = fixture()
  const { promise, resolve } = Promise.withResolvers<DocumentRecord>()
  answerWith(() => promise)
  const before = documents.find('a')
  documents.forget('a')
  answerWith(fromStore)
  t.equal(await documents.find('a'), undefined, 'removed')
  resolve({ id: 'a', version: 1, body: 'old' })
  t.equal(await before, 'old', 'who asked before the change')
  t.equal(documents.find('a'), undefined)
  bodies.set('a', 'new')
  documents.forget('a')
  t.equal(await documents.find('a'), 'new')
  t.same(reads, ['a', 'a', 'a'])
})

t.test('an id that nobody has costs at most one read a second', async (t) => {
  const { documents, reads, pass } = fixture()
  for (let round = 0; round < 50; round += 1) await documents.find('nobody')
  t.same(reads, ['nobody'])
  pass(999)
  t.equal(documents.find('nobody'), undefined)
  pass(1)
  await documents.find('nobody')
  t.same(reads, ['nobody', 'nobody'])
})

t.test('an id is known as soon as this replica, or another, has written it', async (t) => {
  const { documents, bodies } = fixture()
  await documents.find('a')
  bodies.set('a', 'one')
  documents.forget('a')
  t.equal(await documents.find('a'), 'one')
  await documents.find('b')
  bodies.set('b', 'two')
  documents.heard({ type: 'document', kind: KIND, id: 'b' })
  t.equal(await documents.find('b'), 'two')
})

t.test('a change that is heard while a read fails is read, and is no outage', async (t) => {
  const { documents, bodies, answerWith, fromStore, loseStore, findStore } = fixture()
  bodies.set('a', 'one')
  await documents.find('a')
  loseStore()
  const { promise, reject } = Promise.withResolvers<undefined>()
  answerWith(() => promise)
  const asked = documents.find('a')
  findStore()
  answerWith(fromStore)
  bodies.set('a', 'two')
  documents.heard({ type: 'document', kind: KIND, id: 'a' })
  reject(unavailable())
  t.equal(await asked, 'two')
})

t.test('after a gap everything is read again', async (t) => {
  const { documents, bodies, reads, loseStore, findStore } = fixture()
  bodies.set('a', 'one')
  await documents.find('a')
  loseStore()
  findStore()
  bodies.set('a', 'two')
  t.equal(await documents.find('a'), 'two')
  t.equal(documents.find('a'), 'two')
  t.same(reads, ['a', 'a'])
})

t.test('while the stream is silent each request asks the store, and believes it', async (t) => {
  const { documents, bodies, reads, deafen } = fixture()
  bodies.set('a', 'one')
  await documents.find('a')
  deafen()
  t.equal(await documents.find('a'), 'one')
  bodies.delete('a')
  t.equal(await documents.find('a'), undefined, 'removed')
  t.equal(reads.length, 3)
})

t.test('where the store does not answer, memory serves for as long as it may', async (t) => {
  const { documents, bodies, loseStore, pass, answerWith } = fixture({ degradedMs: 60_000 })
  bodies.set('a', 'one')
  await documents.find('a')
  pass(1_000_000)
  loseStore()
  answerWith(async () => {
    throw unavailable()
  })
  pass(59_999)
  t.equal(await documents.find('a'), 'one', 'counted from the last word of the store')
  await t.rejects(Promise.resolve(documents.find('b')), { code: 'store_unavailable' })
  pass(1)
  await t.rejects(Promise.resolve(documents.find('a')), { code: 'store_unavailable' })
})

t.test('a document that was not read again after a gap is as old as that gap', async (t) => {
  const { documents, bodies, loseStore, findStore, pass, answerWith } = fixture({
    degradedMs: 60_000,
  })
  bodies.set('a', 'one')
  await documents.find('a')
  loseStore()
  pass(50_000)
  findStore()
  pass(20_000)
  loseStore()
  answerWith(async () => {
    throw unavailable()
  })
  await t.rejects(Promise.resolve(documents.find('a')), { code: 'store_unavailable' })
})

t.test('with 0 seconds nothing serves without the store', async (t) => {
  const { documents, bodies, deafen, answerWith } = fixture({ degradedMs: 0 })
  bodies.set('a', 'one')
  await documents.find('a')
  deafen()
  answerWith(async () => {
    throw unavailable()
  })
  await t.rejects(Promise.resolve(documents.find('a')), { code: 'store_unavailable' })
})

t.test('a store that hangs holds up what is remembered for a moment only', async (t) => {
  const { documents, bodies, reads, deafen, answerWith } = fixture()
  bodies.set('a', 'one')
  await documents.find('a')
  deafen()
  const hung = Promise.withResolvers<undefined>()
  answerWith(() => hung.promise)
  const found = await Promise.all([documents.find('a'), documents.find('a')])
  t.same(found, ['one', 'one'])
  t.equal(reads.length, 2, 'one shared read')
  const revoked = documents.find('a')
  documents.forget('a')
  hung.resolve(undefined)
  t.equal(await revoked, undefined, 'what was revoked meanwhile does not serve')
})

t.test('a store that is heard again is waited for longer than one that is not', async (t) => {
  const { documents, bodies, reads, answerWith, fromStore, loseStore, findStore } = fixture()
  bodies.set('a', 'one')
  await documents.find('a')
  loseStore()
  bodies.delete('a')
  findStore()
  const { promise: slowly, resolve: answer } = Promise.withResolvers<void>()
  answerWith(async (id) => {
    await slowly
    return fromStore(id)
  })
  const found = documents.find('a')
  // Longer than a store that is not heard is waited for.
  setTimeout(answer, 80)
  t.equal(await found, undefined, 'it was removed while nobody listened')

  bodies.set('b', 'two')
  answerWith(fromStore)
  await documents.find('b')
  loseStore()
  findStore()
  answerWith(() => Promise.reject(unavailable()))
  t.equal(
    await documents.find('b'),
    'two',
    'and where it cannot be asked all the same, memory serves',
  )
  t.same(reads, ['a', 'a', 'b', 'b'])
})

t.test('one that is heard again, and hangs, is waited for less than a second', async (t) => {
  const { documents, bodies, answerWith, loseStore, findStore, slowDown } = fixture()
  bodies.set('a', 'one')
  await documents.find('a')
  loseStore()
  findStore()
  answerWith(() => new Promise(() => undefined))
  const started = performance.now()
  t.equal(await documents.find('a'), 'one')
  t.ok(performance.now() - started < 1_000)
  slowDown()
  const again = performance.now()
  t.equal(await documents.find('a'), 'one', 'where it is known to be slow, nobody waits')
  t.ok(performance.now() - again < 100)
})

t.test('only so many are remembered, and the ids of nobody push out none of them', async (t) => {
  const { documents, bodies, reads } = fixture({ limit: 10 })
  for (let id = 0; id < 10; id += 1) {
    bodies.set(`k${id}`, 'x')
    await documents.find(`k${id}`)
  }
  for (let id = 0; id < 100; id += 1) await documents.find(`nobody${id}`)
  reads.length = 0
  for (let id = 0; id < 10; id += 1) t.equal(documents.find(`k${id}`), 'x')
  t.same(reads, [])
  bodies.set('k10', 'x')
  await documents.find('k10')
  t.type(documents.find('k0'), Promise)
})
