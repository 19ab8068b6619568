/** What a replica has seen of a store: a record that goes back, or comes back, is met; what others do by right is not. */
import { replicaOf, strict } from '../support/authentic-replica.ts'
import { content, eachEngine } from '../support/store-engines.ts'

const HOUR_MS = 3_600_000
const CORRUPT = { code: 'record_corrupt' }

eachEngine(async (t, open) => {
  await t.test('a record that goes back, or comes back, is met by who saw it', async (t) => {
    const opened = await open(t)
    const replica = await strict(opened)
    const { store, met } = replica
    const { documents: raw } = opened.store
    const write = (body: string) => store.documents.write('api-key', 'k', body, { expected: 'any' })
    await write('one')
    const former = await raw.read('api-key', 'k')
    await write('two')
    await raw.remove('api-key', 'k', 'any')
    const put = () => raw.write('api-key', 'k', 'one', { expected: 'any', mac: former?.mac ?? '' })
    await put()
    await t.rejects(store.documents.read('api-key', 'k'), CORRUPT)
    t.match(met, [{ kind: 'api-key', name: 'k', why: 'rolled_back' }])
    const stranger = replicaOf(opened)
    t.match(await stranger.store.documents.read('api-key', 'k'), { body: 'one' }, 'nobody can know')

    t.ok(await stranger.store.documents.remove('api-key', 'k', 'any'))
    t.equal(await stranger.store.documents.read('api-key', 'k'), undefined)
    await put()
    await t.rejects(stranger.store.documents.read('api-key', 'k'), CORRUPT, 'it was removed')

    replica.lookAtWhole = replica.clear
    t.match(
      await store.documents.read('api-key', 'k'),
      { body: 'one' },
      'the whole store went back',
    )

    const made = await store.integrations.create('a', 'u', content())
    const record = await opened.store.integrations.readSealed('a')
    if (made) await store.integrations.remove('a', made)
    await opened.store.integrations.create('a', 'u', { ...content(), ...record })
    replica.lookAtWhole = () => undefined
    await t.rejects(store.integrations.read('a'), CORRUPT)
    await opened.store.archive.eraseIntegration('a')
    await store.integrations.create('a', 'w', content())
    t.match(await store.integrations.read('a'), { uid: 'w' }, 'one of the same name is another')
  })

  await t.test('what another replica removed and made anew did not go back', async (t) => {
    const opened = await open(t)
    const { store, met } = await strict(opened)
    const { documents } = store
    const other = replicaOf(opened, { mode: 'refuse' })
    for (const kind of ['deployment', 'retired', 'callers', 'api-key-name', 'certificate-end']) {
      await documents.write(kind, 'a', 'one', { expected: 'absent' })
      await documents.write(kind, 'a', 'two', { expected: 1 })
      t.match(await documents.read(kind, 'a'), { version: 2 })
      t.ok(await other.store.documents.remove(kind, 'a', 'any'))
      await other.store.documents.write(kind, 'a', 'anew', { expected: 'absent' })
      t.match(await documents.read(kind, 'a'), { version: 1, body: 'anew' }, kind)
      t.match(await documents.list(kind, { limit: 5 }), { items: [{ body: 'anew' }] }, kind)
    }

    await documents.write('identity', 'a', 'one', { expected: 'absent' })
    await documents.write('identity', 'a', 'two', { expected: 1 })
    const cursor = await store.changes.tail()
    t.ok(await other.store.archive.eraseDocument('identity', 'a'))
    await store.changes.read(cursor)
    await other.store.documents.write('identity', 'a', 'anew', { expected: 'absent' })
    t.match(await documents.read('identity', 'a'), { version: 1 }, 'an operator erased it')
    t.same(met, [])
  })

  await t.test('a pin that goes back is met by who saw the newer one', async (t) => {
    const opened = await open(t)
    const { store, met } = await strict(opened)
    const { documents: raw } = opened.store
    await store.documents.write('identity', 'a', 'one', { expected: 'absent' })
    const former = await raw.read('identity', 'a')
    await store.documents.write('identity', 'a', 'two', { expected: 1 })
    await raw.remove('identity', 'a', 'any')
    await raw.write('identity', 'a', 'one', { expected: 'absent', mac: former?.mac ?? '' })
    await t.rejects(store.documents.read('identity', 'a'), CORRUPT)
    t.match(met, [{ kind: 'identity', name: 'a', why: 'rolled_back' }])
  })

  await t.test('nothing that happens at once looks like a record that went back', async (t) => {
    const opened = await open(t)
    const { store, met } = await strict(opened)
    const { documents } = store
    const write = (id: string, body: string) =>
      documents.write('api-key', id, body, { expected: 'any' })
    const read = (id: string) => documents.read('api-key', id)
    for (let round = 0; round < 20; round += 1) {
      const id = `k${round}`
      await Promise.all([
        read(id),
        write(id, 'a'),
        read(id),
        write(id, 'b'),
        read(id),
        documents.list('api-key', { limit: 100 }),
        write(id, 'c'),
        read(id),
      ])
      t.match(await read(id), { version: 3 })
      await Promise.all([read(id), documents.remove('api-key', id, 'any'), read(id)])
      t.equal(await read(id), undefined)
    }
    t.same(met, [])
  })

  await t.test('what does not verify is no trouble once it is gone or well', async (t) => {
    const opened = await open(t)
    const { store, corrupt } = await strict(opened)
    const { documents: raw, outcomes: rawOutcomes } = opened.store
    const other = replicaOf(opened, { mode: 'refuse' })
    await store.integrations.create('a', 'u', content())
    await store.integrations.create('b', 'v', content())
    const until = (await store.now()) + HOUR_MS
    for (const [name, uid] of [
      ['a', 'u'],
      ['b', 'v'],
    ] as const) {
      const refusal = { body: '{"code":"x"}', version: 1, until }
      await rawOutcomes.save(name, { uid, orev: 0 }, { refusal })
      await store.outcomes.look(name)
    }
    await raw.write('api-key', 'k', '{}', { expected: 'any' })
    await raw.write('webhook', 'w', '{}', { expected: 'any' })
    await store.documents.list('api-key', { limit: 5 })
    await store.documents.list('webhook', { limit: 5 })
    t.match(corrupt.current(), [
      { kind: 'refusal', name: 'a' },
      { kind: 'refusal', name: 'b' },
      { kind: 'api-key', name: 'k' },
      { kind: 'webhook', name: 'w' },
    ])

    await other.store.outcomes.forgetRefusal('a')
    t.same((await store.outcomes.look('a'))?.outcome, {})
    t.notOk(corrupt.has('refusal', 'a'), 'the refusal ended')

    const cursor = await store.changes.tail()
    await other.store.integrations.remove('b', { uid: 'v', version: 1 })
    await other.store.archive.eraseDocument('api-key', 'k')
    await other.store.documents.write('webhook', 'w', '{}', { expected: 1 })
    await store.changes.read(cursor)
    t.same(corrupt.current(), [], 'and others mended the rest')
  })

  await t.test('a refresh token of before is met by who saw the one of now', async (t) => {
    const opened = await open(t)
    const replica = await strict(opened)
    const { store, met } = replica
    const { archive } = opened.store
    await store.integrations.create('a', 'u', content())
    const beginning = { uid: 'u', reason: '', body: '{}', lookInMs: HOUR_MS }
    await store.custody.begin('a', { ...beginning, expected: null, family: 'f', token: 'one' })
    t.match((await store.custody.read('a')).record, { g: 0 })
    const [former] = (await archive.integrations({ limit: 1 })).items
    await store.custody.keep('a', { family: 'f', g: 1, token: 'two', lookInMs: HOUR_MS })
    t.match((await store.custody.read('a')).record, { g: 1 })
    const back = async () => {
      await archive.eraseIntegration('a')
      await archive.putIntegrations(former ? [former] : [], { id: 'x', lookInMs: HOUR_MS })
    }
    await back()
    await t.rejects(store.custody.read('a'), CORRUPT, 'used up since')
    t.match(met, [{ kind: 'custody', name: 'a', why: 'rolled_back' }])
    replica.clear()
    await store.custody.read('a')
    const ended = { ...beginning, expected: 'f', family: 'g', token: '', reason: 'disconnected' }
    t.equal(await store.custody.begin('a', ended), 'begun')
    t.match((await store.custody.read('a')).record, { state: 'dead' })
    await back()
    await t.rejects(store.custody.read('a'), CORRUPT, 'disconnected since')
    replica.lookAtWhole = replica.clear
    t.match((await store.custody.read('a')).record, { family: 'f' }, 'the whole store went back')
  })

  await t.test('a key that another replica revoked does not come back', async (t) => {
    const opened = await open(t)
    const { store } = await strict(opened)
    const other = await strict(opened)
    await other.store.documents.write('api-key', 'k', '{}', { expected: 'absent' })
    t.match(await store.documents.read('api-key', 'k'), { version: 1 })
    const { mac = '' } = (await opened.store.documents.read('api-key', 'k')) ?? {}
    const cursor = await store.changes.tail()
    await other.store.documents.remove('api-key', 'k', 'any')
    t.match(await store.changes.read(cursor), { entries: [{ id: 'k' }] })
    await opened.store.documents.write('api-key', 'k', '{}', { expected: 'any', mac })
    await t.rejects(store.documents.read('api-key', 'k'), CORRUPT)
  })
})
