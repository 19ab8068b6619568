import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { createEmbeddedStore } from '../../../src/store/embedded/embedded-store.ts'
import { content, lease } from '../../support/store-engines.ts'

/** What the database is told besides its statements, from now on. */
function listen(t: Test): readonly string[] {
  const told: string[] = []
  const { exec } = DatabaseSync.prototype
  DatabaseSync.prototype.exec = function (sql) {
    told.push(sql)
    exec.call(this, sql)
  }
  t.teardown(() => {
    DatabaseSync.prototype.exec = exec
  })
  return told
}

const FULL = 'PRAGMA synchronous = FULL'
const NORMAL = 'PRAGMA synchronous = NORMAL'
const BEGIN = 'BEGIN IMMEDIATE'
const LOGIN = { key: 'b', limit: 9, windowMs: 60_000 }

t.test('one commit serves all writes of a turn', async (t) => {
  const store = createEmbeddedStore({ dataDir: t.testdir() })
  t.teardown(() => store.close())
  const cursor = await store.changes.tail()
  const told = listen(t)
  const [one, other] = await Promise.all([
    store.integrations.create('one', 'u', content()),
    store.integrations.create('other', 'v', content()),
    store.budgets.take([LOGIN]),
    store.documents.write('k', 'd', 'body', { expected: 'absent' }),
  ])
  t.same(told, [BEGIN, 'COMMIT'])
  t.same([one?.rev, other?.rev], [1, 2])
  const { entries, gap } = await store.changes.read(cursor)
  t.notOk(gap)
  t.same(entries, [
    { type: 'integration', name: 'one', rev: 1 },
    { type: 'integration', name: 'other', rev: 2 },
    { type: 'document', kind: 'k', id: 'd', version: 1 },
  ])
  t.equal((await store.identity()).seq, 3)
})

t.test('a count of logins and a due time do not wait for the disk', async (t) => {
  const store = createEmbeddedStore({ dataDir: t.testdir() })
  t.teardown(() => store.close())
  const told = listen(t)
  await store.budgets.take([LOGIN])
  await store.due.mark('a', 1)
  await store.documents.write('k', 'd', 'body', { expected: 'absent' })
  const all = [BEGIN, 'COMMIT']
  t.same(told, [NORMAL, ...all, ...all, FULL, ...all])
})

t.test('a lease and a copy of an event of its mint do not wait for the disk', async (t) => {
  const store = createEmbeddedStore({ dataDir: t.testdir() })
  t.teardown(() => store.close())
  await store.integrations.create('a', 'u', content())
  const told = listen(t)
  const saved = { lease: lease({ tokenId: 'T', expiresAt: Date.now() + 60_000 }) }
  t.match(await store.outcomes.save('a', { uid: 'u', orev: 0 }, saved), { saved: true })
  await store.events.append(['minted'], 10, { share: 'tokens', isDurable: false })
  const lasting = told.length
  t.same(told, [NORMAL, BEGIN, 'COMMIT', BEGIN, 'COMMIT'])
  t.match(await store.outcomes.save('a', { uid: 'u', orev: 1 }, { lease: null }), { saved: true })
  await store.outcomes.revoke('T', Date.now() + 60_000)
  await store.events.append(['changed'], 10)
  const all = [BEGIN, 'COMMIT']
  t.same(told.slice(lasting), [FULL, ...all, ...all, ...all], 'what ended does not return')
  const pinned = told.length
  const pin = { kind: 'identity', id: 'a', body: '{}', expected: 'absent' } as const
  const another = lease({ tokenId: 'U', expiresAt: Date.now() + 60_000 })
  const first = { lease: another, documents: [pin] }
  t.match(await store.outcomes.save('a', { uid: 'u', orev: 2 }, first), { saved: true })
  t.same(told.slice(pinned), all, 'nor is a pin lost')
})

t.test('a write that fails takes back its own changes only', async (t) => {
  const store = createEmbeddedStore({ dataDir: t.testdir() })
  t.teardown(() => store.close())
  const told = listen(t)
  const notText = {} as unknown as string
  const [before, failed, after] = await Promise.allSettled([
    store.documents.write('k', 'before', 'body', { expected: 'absent' }),
    store.events.append(['a', notText], 10),
    store.events.append(['b'], 1),
  ])
  t.same(told, [BEGIN, 'COMMIT'])
  t.equal(before.status, 'fulfilled')
  t.match(failed, { status: 'rejected', reason: { code: 'ERR_INVALID_ARG_TYPE' } })
  t.equal(after.status, 'fulfilled')
  t.match(await store.documents.read('k', 'before'), { version: 1 })
  t.match(await store.events.read({ limit: 10 }), [{ body: 'b' }])
  await store.events.append(['c'], 1)
  t.match(await store.events.read({ limit: 10 }), [{ body: 'c' }], 'its entries are not counted')
})

t.test('closing completes the writes that were begun', async (t) => {
  const dataDir = t.testdir()
  const first = createEmbeddedStore({ dataDir })
  const written = first.documents.write('k', 'd', 'body', { expected: 'absent' })
  await first.close()
  t.match(await written, { version: 1 })
  const second = createEmbeddedStore({ dataDir })
  t.teardown(() => second.close())
  t.match(await second.documents.read('k', 'd'), { body: 'body' })
})
