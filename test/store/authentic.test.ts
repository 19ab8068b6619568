import type { Test } from 'tap'
import { createMacs } from '../../src/crypto/macs.ts'
import { authenticStore } from '../../src/store/authentic.ts'
import { type CorruptRecord, createCorruptRecords } from '../../src/store/corrupt-records.ts'
import { createMacRequirement, type UnprovenMode } from '../../src/store/mac-requirement.ts'
import { createSeenVersions } from '../../src/store/seen-versions.ts'
import type { Store } from '../../src/store/store.ts'
import { content, eachEngine, type OpenStore } from '../support/store-engines.ts'

const newKey = (id: string) => ({ id, key: crypto.getRandomValues(new Uint8Array(32)) })
const [first, second] = [newKey('first'), newKey('second')]
const HOUR_MS = 3_600_000

interface Replica {
  readonly store: Store
  readonly met: CorruptRecord[]
  readonly requirement: ReturnType<typeof createMacRequirement>
  /** Called before a record is called rolled back. */
  lookAtWhole: () => void
  clear(): void
}

function replicaOf(
  { peer }: OpenStore,
  { keys = [first], mode = 'migrate' as UnprovenMode, kinds = ['api-key', 'store'] } = {},
): Replica {
  const macs = createMacs(keys)
  const met: CorruptRecord[] = []
  const corrupt = createCorruptRecords({
    onMet: (record) => met.push(record),
    log: { error: () => undefined },
  })
  const seen = createSeenVersions()
  const requirement = createMacRequirement({
    ...{ store: peer, macs, mode, kinds, monotonic: () => performance.now() },
    sealRequires: async () => false,
    log: { error: () => undefined },
  })
  const replica: Replica = {
    store: authenticStore({
      ...{ store: peer, macs, requirement, corrupt, seen },
      lookAtWhole: async () => replica.lookAtWhole(),
    }),
    ...{ met, requirement, lookAtWhole: () => undefined, clear: seen.clear },
  }
  return replica
}

/** One that requires codes. */
async function strict(open: OpenStore): Promise<Replica> {
  const replica = replicaOf(open)
  await replica.requirement.require({ isComplete: true })
  return replica
}

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
    await store.changes.read(cursor, 0)
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
    t.match(await store.changes.read(cursor, 1_000), { entries: [{ id: 'k' }] })
    await opened.store.documents.write('api-key', 'k', '{}', { expected: 'any', mac })
    await t.rejects(store.documents.read('api-key', 'k'), CORRUPT)
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
