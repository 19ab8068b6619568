import type { Test } from 'tap'
import { Type } from 'typebox'
import { documentKind } from '../../../src/store/documents.ts'
import { first, replicaOf, second, strict } from '../../support/authentic-replica.ts'
import { content, eachEngine, type OpenStore } from '../../support/store-engines.ts'

const HOUR_MS = 3_600_000
const CORRUPT = { code: 'record_corrupt' }

eachEngine(async (t, open) => {
  await t.test('a document that was forged, changed or moved is not used', async (t) => {
    const opened = await open(t)
    const { store, met } = await strict(opened)
    const { documents: raw } = opened.store
    await store.documents.write('api-key', 'true', '{"is":1}', { expected: 'absent' })
    t.same(await store.documents.read('api-key', 'true'), {
      id: 'true',
      version: 1,
      body: '{"is":1}',
    })
    const { mac = '' } = (await raw.read('api-key', 'true')) ?? {}
    t.not(mac, '')

    await raw.write('api-key', 'forged', '{}', { expected: 'any' })
    await raw.write('api-key', 'made-up', '{}', {
      expected: 'any',
      mac: `b:1:first:${'A'.repeat(43)}`,
    })
    await raw.write('api-key', 'copied', '{"is":1}', { expected: 'any', mac })
    await raw.write('other', 'true', '{"is":1}', { expected: 'any', mac })
    for (const id of ['forged', 'made-up', 'copied']) {
      await t.rejects(store.documents.read('api-key', id), CORRUPT, id)
    }
    await t.rejects(store.documents.read('other', 'true'), CORRUPT, 'of another kind')
    t.same(await store.documents.list('api-key', { limit: 10 }), {
      items: [{ id: 'true', version: 1, body: '{"is":1}' }],
      corrupt: ['copied', 'forged', 'made-up'],
      next: null,
    })
    t.same(
      (await store.archive.documents('api-key', { limit: 10 })).items.map(({ id }) => id),
      ['true'],
      'nor by a backup',
    )
    await raw.write('api-key', 'true', '{"is":2}', { expected: 1, mac })
    await t.rejects(store.documents.read('api-key', 'true'), CORRUPT, 'changed')
    t.same(
      met.map(({ name, why }) => `${name} ${why}`).sort(),
      ['copied mac_wrong', 'forged no_mac', 'made-up mac_wrong', 'true mac_wrong', 'true no_mac'],
      'each is met once',
    )
    await store.documents.write('api-key', 'forged', '{}', { expected: 'any' })
    t.match(await store.documents.read('api-key', 'forged'), { version: 2 }, 'written over')
  })

  await t.test('a document that is saved with an outcome has a code, too', async (t) => {
    const opened = await open(t)
    const { store } = await strict(opened)
    await store.integrations.create('a', 'u', content())
    for (const [orev, expected] of (['absent', 1] as const).entries()) {
      const documents = [{ kind: 'subject', id: 'a', expected, body: `{"at":${orev}}` }]
      const change = { stillLive: { tokenId: 'T', until: HOUR_MS, count: 1 }, documents }
      t.match(await store.outcomes.save('a', { uid: 'u', orev }, change), { saved: true })
      t.match(await store.documents.read('subject', 'a'), { version: orev + 1 })
    }
    const { mac } = (await opened.store.documents.read('subject', 'a')) ?? {}
    await opened.store.documents.write('subject', 'a', '{}', { expected: 2, mac: mac ?? '' })
    await t.rejects(store.documents.read('subject', 'a'), CORRUPT)
  })

  await t.test('what a replica wrote itself it does not read when it hears of it', async (t) => {
    const opened = await open(t)
    const reads: string[] = []
    const { documents } = opened.peer
    const counted = {
      ...documents,
      read(kind: string, id: string) {
        reads.push(`${kind} ${id}`)
        return documents.read(kind, id)
      },
    }
    const peer = { ...opened.peer, documents: counted }
    const { store, met } = await strict({ ...opened, peer })
    const tail = await store.changes.tail()
    await store.documents.write('subject', 'a', '{}', { expected: 'absent' })
    reads.length = 0
    const { cursor } = await store.changes.read(tail)
    t.same(reads, [])
    await documents.write('subject', 'a', '{"forged":1}', { expected: 1 })
    await store.changes.read(cursor)
    t.same(reads, ['subject a'])
    t.match(met, [{ kind: 'subject', name: 'a' }])
  })

  await t.test('a document that verifies, but does not have its form, is met once', async (t) => {
    const { store, met } = await strict(await open(t))
    const KEYS = documentKind({ kind: 'api-key', schema: Type.Object({ is: Type.Enum([1]) }) })
    for (const [id, body] of Object.entries({ good: '{"is":1}', newer: '{"is":2}', bad: '{}' })) {
      await store.documents.write('api-key', id, body, { expected: 'absent' })
    }
    for (let round = 0; round < 3; round += 1) {
      const found: string[] = []
      for await (const { id } of KEYS.all(store.documents)) found.push(id)
      t.same(found, ['good'])
      await t.rejects(KEYS.read(store.documents, 'bad'), CORRUPT)
    }
    const ofBad = { kind: 'api-key', name: 'bad', why: 'unreadable', version: 1 }
    t.same(met, [ofBad], 'what a newer release may have written is not corrupt')
    await store.documents.write('api-key', 'bad', '[]', { expected: 1 })
    await t.rejects(KEYS.read(store.documents, 'bad'), CORRUPT)
    t.same(met, [ofBad, { ...ofBad, version: 2 }])
    await store.documents.write('api-key', 'bad', '{"is":1}', { expected: 2 })
    t.match(await KEYS.read(store.documents, 'bad'), { version: 3 })
  })

  await t.test('an integration that was changed behind its seal is not used', async (t) => {
    const opened = await open(t)
    const { store, met } = await strict(opened)
    const { integrations: raw } = opened.store
    const made = await store.integrations.create('a', 'u', content())
    t.equal(made?.mac, undefined, "the code is nobody else's business")
    await store.integrations.create('b', 'v', content({ digests: ['d2'] }))
    const { mac = '' } = (await raw.read('a')) ?? {}
    t.equal((await store.integrations.change('a', { uid: 'u', version: 1 }, content()))?.version, 2)

    const changes = {
      definition: { definition: '{"a":2}' },
      digests: { digests: ['d9'] },
      'the code of an earlier version': { mac },
    }
    let version = 2
    for (const [what, change] of Object.entries(changes)) {
      const { mac: current = '' } = (await raw.read('a')) ?? {}
      const parts = { ...content(), mac: current, ...change }
      await raw.change('a', { uid: 'u', version }, parts)
      version += 1
      await t.rejects(store.integrations.read('a'), CORRUPT, what)
      await t.rejects(store.integrations.readSealed('a'), CORRUPT, what)
      await t.rejects(store.outcomes.look('a'), CORRUPT, what)
    }
    t.match(await store.integrations.list({ limit: 5 }), { items: [{ name: 'b' }], corrupt: ['a'] })
    t.match(await store.archive.integrations({ limit: 5 }), { items: [{ name: 'b' }] })
    const { mac: own = '' } = (await raw.read('b')) ?? {}
    await raw.create('c', 'v', content({ digests: ['d2'], mac: own }))
    await t.rejects(store.integrations.read('c'), CORRUPT, 'pasted under another name')
    t.ok(met.every(({ kind }) => kind === 'integration'))
  })

  await t.test('what older releases wrote is used until codes are required', async (t) => {
    const opened = await open(t)
    const replica = replicaOf(opened)
    const other = replicaOf(opened)
    const { integrations, documents } = opened.store
    await integrations.create('a', 'u', content())
    await documents.write('api-key', 'k', '{}', { expected: 'any' })
    t.match(await replica.store.integrations.read('a'), { version: 1 })
    t.match(await replica.store.documents.read('api-key', 'k'), { version: 1 })
    await replica.store.integrations.change('a', { uid: 'u', version: 1 }, content())
    await integrations.change('a', { uid: 'u', version: 2 }, content({ definition: '{"old":1}' }))
    t.match(await replica.store.integrations.read('a'), { definition: '{"old":1}' })

    await other.requirement.require({ isComplete: false })
    const isRefused = async (read: Promise<unknown>) =>
      read.then(
        () => false,
        ({ code }) => code === 'record_corrupt',
      )
    t.ok(await isRefused(other.store.integrations.read('a')), 'at once where it was said')
    const until = performance.now() + 10_000
    while (!(await isRefused(replica.store.integrations.read('a')))) {
      if (performance.now() > until) throw new Error('not within ten seconds')
    }
    await t.rejects(replica.store.documents.read('api-key', 'k'), CORRUPT)
    const accepting = replicaOf(opened, { mode: 'accept' })
    t.match(await accepting.store.documents.read('api-key', 'k'), { version: 1 })
    const refusing = replicaOf(await open(t), { mode: 'refuse' })
    t.equal(await refusing.store.documents.read('api-key', 'k'), undefined)
  })

  await t.test('that codes are required is known without the mark', async (t) => {
    const opened = await open(t)
    const { store } = await strict(opened)
    await store.documents.write('api-key', 'k', '{}', { expected: 'any' })
    await opened.store.documents.remove('store', 'macs', 'any')
    await opened.store.documents.write('api-key', 'forged', '{}', { expected: 'any' })
    const late = replicaOf(opened)
    await t.rejects(late.store.documents.read('api-key', 'forged'), CORRUPT)
    t.match(await late.store.documents.read('api-key', 'k'), { version: 1 })
    t.equal(late.requirement.stage(), 'b')

    const fresh = await open(t)
    const mac = `b:1:first:${'A'.repeat(43)}`
    await fresh.store.documents.write('api-key', 'forged', '{}', { expected: 'any', mac })
    await fresh.store.documents.write('api-key', 'old', '{}', { expected: 'any' })
    const upgraded = replicaOf(fresh)
    t.match(await upgraded.store.documents.read('api-key', 'old'), { version: 1 })
  })

  await t.test('codes follow the keyring', async (t) => {
    const opened = await open(t)
    const before = replicaOf(opened)
    await before.store.documents.write('api-key', 'k', '{}', { expected: 'any' })
    const after = replicaOf(opened, { keys: [second, first] })
    t.match(await after.store.documents.read('api-key', 'k'), { version: 1 })
    const alone = replicaOf(opened, { keys: [second] })
    await t.rejects(alone.store.documents.read('api-key', 'k'), CORRUPT)
    t.match(alone.met, [{ why: 'key_unknown' }])
    const renamed = replicaOf(opened, { keys: [{ ...second, id: 'first' }] })
    await t.rejects(renamed.store.documents.read('api-key', 'k'), CORRUPT)
  })

  await t.test('what is restored is proven', async (t) => {
    const opened = await open(t)
    const { store } = await strict(opened)
    const { archive } = store
    await store.integrations.create('a', 'u', content())
    await store.documents.write('api-key', 'k', '{}', { expected: 'any' })
    await opened.store.documents.write('api-key', 'forged', '{}', { expected: 'any' })
    const { items } = await archive.integrations({ limit: 5 })
    const keys = await archive.documents('api-key', { limit: 5 })
    t.same(keys.items, [{ id: 'k', body: '{}', expiresAt: null, version: 1 }])
    const empty = await open(t)
    const restored = await strict(empty)
    await restored.store.archive.putIntegrations(items, { id: 'x', lookInMs: HOUR_MS })
    await restored.store.archive.putDocuments('api-key', keys.items)
    t.match(await restored.store.integrations.read('a'), { uid: 'u', version: 2 })
    t.match(await restored.store.documents.read('api-key', 'k'), { version: 2 })
    await restored.store.archive.putIntegrations(items, { id: 'x', lookInMs: HOUR_MS })
    t.match(await restored.store.integrations.read('a'), { uid: 'u', version: 3 })
  })

  await t.test('a refusal that somebody else wrote is none', async (t) => {
    const opened = await open(t)
    const { store, met } = await strict(opened)
    const { outcomes: raw } = opened.store
    await store.integrations.create('a', 'u', content())
    await store.integrations.create('b', 'v', content())
    const until = (await store.now()) + HOUR_MS
    const refusal = { body: '{"code":"x"}', version: 1, until }
    const save = async (name: string, uid: string, given: typeof refusal, into = raw) => {
      const orev = (await raw.look(name))?.integration.orev ?? 0
      return into.save(name, { uid, orev }, { refusal: given })
    }
    t.match(await save('a', 'u', refusal, store.outcomes), { saved: true })
    t.same((await store.outcomes.look('a'))?.outcome, { refusal })
    const stored = (await raw.look('a'))?.outcome.refusal
    t.match(JSON.parse(stored?.body ?? ''), { code: 'x' }, 'as older releases read it')

    const forged = {
      bare: refusal,
      moved: { ...refusal, body: stored?.body ?? '' },
      longer: { ...refusal, body: stored?.body ?? '', until: until + 1 },
    }
    for (const [what, given] of Object.entries(forged)) {
      const [name, uid] = what === 'longer' ? ['a', 'u'] : ['b', 'v']
      await save(name, uid, given)
      t.same((await store.outcomes.look(name))?.outcome, {}, what)
    }
    t.ok(met.length > 0 && met.every(({ kind }) => kind === 'refusal'))
    await save('b', 'v', refusal, store.outcomes)
    t.same((await store.outcomes.look('b'))?.outcome, { refusal })
  })

  await garbage(t, open)
})

/** What is no record at all, where the engine can hold such. */
async function garbage(t: Test, open: (test?: Test) => Promise<OpenStore>) {
  await t.test('a list goes on without what is no record', async (t) => {
    const opened = await open(t)
    const { store } = await strict(opened)
    await store.integrations.create('a', 'u', content())
    await store.integrations.create('b', 'u', content())
    await store.documents.write('api-key', 'a', '{}', { expected: 'any' })
    await store.documents.write('api-key', 'b', '{}', { expected: 'any' })
    if (!opened.spoil) return
    for (const how of ['field', 'type'] as const) {
      await opened.spoil('integrations', 'a', how)
      await opened.spoil({ kind: 'api-key' }, 'a', how)
      t.match(await store.integrations.list({ limit: 5 }), {
        items: [{ name: 'b' }],
        corrupt: ['a'],
      })
      t.match(await store.archive.integrations({ limit: 5 }), { items: [{ name: 'b' }] })
      t.match(await store.documents.list('api-key', { limit: 5 }), {
        items: [{ id: 'b' }],
        corrupt: ['a'],
      })
      t.match(await store.archive.documents('api-key', { limit: 5 }), { items: [{ id: 'b' }] })
      await t.rejects(store.integrations.read('a'), CORRUPT, how)
      await t.rejects(store.outcomes.look('a'), CORRUPT, how)
      await t.rejects(store.documents.read('api-key', 'a'), CORRUPT, how)
    }
    t.ok(await store.archive.eraseIntegration('a'))
    t.ok(await store.archive.eraseDocument('api-key', 'a'))
    t.notOk(await store.archive.eraseDocument('api-key', 'a'), 'once')
    t.equal(await store.integrations.read('a'), undefined)
    t.match(await store.documents.list('api-key', { limit: 5 }), { items: [{ id: 'b' }] })
  })
}
