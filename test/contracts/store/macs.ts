import type { ArchivedIntegration } from '../../../src/store/archive.ts'
import { content, type StoreSuite } from '../../support/store-engines.ts'

const HOUR_MS = 3_600_000
const KIND = { kind: 'key' }
const PRESENTED = { id: 'restored', lookInMs: 60_000 }

/** What stands beside records to prove them; to an engine it is any text. */
export const macsSuite: StoreSuite = async (t, open) => {
  await t.test('keeps what proves an integration beside it, until the next change', async (t) => {
    const { store, peer } = await open(t)
    const { integrations, seals } = store
    t.match(await integrations.create('a', 'u', content({ mac: 'one' })), { mac: 'one' })
    t.equal((await peer.integrations.read('a'))?.mac, 'one')
    t.equal((await peer.integrations.readSealed('a'))?.mac, 'one')
    t.equal((await integrations.list({ limit: 5 })).items[0]?.mac, 'one')
    t.equal((await peer.outcomes.look('a'))?.integration.mac, 'one')
    t.equal((await store.archive.integrations({ limit: 5 })).items[0]?.mac, 'one')
    const changed = { uid: 'u', version: 1 }
    t.match(await integrations.change('a', changed, content({ mac: 'two' })), { mac: 'two' })
    t.same((await seals.macs('integrations', { limit: 5 })).items, [
      { id: 'a', uid: 'u', version: 2, mac: 'two' },
    ])
    await integrations.change('a', { uid: 'u', version: 2 }, content())
    t.equal((await peer.integrations.read('a'))?.mac, undefined, 'of a writer that gives none')

    await integrations.create('b', 'v', content({ mac: 'b' }))
    const record = await integrations.read('b')
    if (record) await integrations.remove('b', record)
    await integrations.create('b', 'w', content())
    t.equal((await peer.integrations.read('b'))?.mac, undefined, 'it went with its record')
  })

  await t.test('keeps what proves a document beside it, until the next write', async (t) => {
    const { store, peer } = await open(t)
    const { documents, seals } = store
    const first = await documents.write('key', 'a', 'x', { expected: 'absent', mac: 'one' })
    t.same(first, { id: 'a', version: 1, body: 'x', mac: 'one' })
    t.equal((await peer.documents.read('key', 'a'))?.mac, 'one')
    t.equal((await documents.list('key', { limit: 5 })).items[0]?.mac, 'one')
    t.equal((await store.archive.documents('key', { limit: 5 })).items[0]?.mac, 'one')
    t.same((await seals.macs(KIND, { limit: 5 })).items, [
      { id: 'a', uid: '', version: 1, mac: 'one' },
    ])
    await documents.write('key', 'a', 'y', { expected: 1 })
    t.equal((await peer.documents.read('key', 'a'))?.mac, undefined)
    await documents.write('key', 'a', 'z', { expected: 2, mac: 'three' })
    await documents.remove('key', 'a', 'any')
    await documents.write('key', 'a', 'x', { expected: 'absent' })
    t.equal((await peer.documents.read('key', 'a'))?.mac, undefined, 'it went with its document')
  })

  await t.test('puts a proof beside the record for which it was made, and no other', async (t) => {
    const { store, peer } = await open(t)
    const { integrations, documents, seals } = store
    const bare = { id: 'a', uid: 'u', version: 1, mac: '' }
    t.notOk(await seals.swapMac('integrations', bare, 'x'), 'there is none')
    t.notOk(await seals.swapMac(KIND, { ...bare, uid: '' }, 'x'), 'there is none')
    await integrations.create('a', 'u', content())
    await documents.write('key', 'a', 'x', { expected: 'absent' })
    const { seq } = await store.identity()
    for (const wrong of [{ uid: 'v' }, { version: 2 }, { mac: 'other' }]) {
      t.notOk(await seals.swapMac('integrations', { ...bare, ...wrong }, 'x'))
    }
    t.ok(await seals.swapMac('integrations', bare, 'one'))
    t.notOk(await seals.swapMac('integrations', bare, 'x'), 'once')
    t.ok(await seals.swapMac('integrations', { ...bare, mac: 'one' }, 'two'))
    t.match(await peer.integrations.read('a'), { mac: 'two', version: 1 })
    t.ok(await seals.swapMac(KIND, { ...bare, uid: '' }, 'one'))
    t.notOk(await seals.swapMac(KIND, { ...bare, uid: '', version: 2, mac: 'one' }, 'x'))
    t.match(await peer.documents.read('key', 'a'), { mac: 'one', version: 1, body: 'x' })
    t.equal((await store.identity()).seq, seq, 'nothing is announced')
  })

  await t.test('lists what has a proof and what has none, page by page', async (t) => {
    const { store } = await open(t)
    const { seals } = store
    t.same(await seals.macs('integrations', { limit: 5 }), { items: [], next: null })
    t.same(await seals.macs(KIND, { limit: 5 }), { items: [], next: null })
    for (const id of ['a', 'b', 'c']) {
      const mac = id === 'b' ? {} : { mac: id }
      await store.integrations.create(id, 'u', content(mac))
      await store.documents.write('key', id, 'x', { expected: 'any', ...mac })
    }
    const heads = (uid: string) =>
      ['a', '', 'c'].map((mac, at) => ({ id: 'abc'.charAt(at), uid, version: 1, mac }))
    for (const [place, uid] of [['integrations', 'u'] as const, [KIND, ''] as const]) {
      const [a, b, c] = heads(uid)
      t.same(await seals.macs(place, { limit: 2 }), { items: [a, b], next: 'b' })
      t.same(await seals.macs(place, { limit: 2, after: 'b' }), { items: [c], next: null })
    }
  })

  await t.test('puts records of the past with a proof for what they become, or none', async (t) => {
    const { store, peer } = await open(t)
    const { archive, integrations, documents } = store
    const past: ArchivedIntegration = {
      ...{ name: 'a', uid: 'u', version: 5, digests: [], definition: '{}', secrets: 's' },
      custody: null,
    }
    await integrations.create('a', 'u', content({ mac: 'now' }))
    const right = { ...past, becomes: 6, mac: 'six' }
    const wrong = { ...past, name: 'b', becomes: 7, mac: 'seven' }
    t.equal(await archive.putIntegrations([right, wrong], PRESENTED), false)
    t.match(await peer.integrations.read('a'), { version: 1, mac: 'now' })
    t.equal(await archive.putIntegrations([right], PRESENTED), true)
    t.match(await peer.integrations.read('a'), { version: 6, mac: 'six' })
    t.equal(await archive.putIntegrations([past], PRESENTED), true)
    t.match(await peer.integrations.read('a'), { version: 7 })
    t.equal((await peer.integrations.read('a'))?.mac, undefined)

    const document = { id: 'a', body: 'x', expiresAt: null, version: 3 }
    await documents.write('key', 'a', 'now', { expected: 'absent', mac: 'now' })
    const put = (...records: object[]) =>
      archive.putDocuments(
        'key',
        records.map((record) => ({ ...document, ...record })),
      )
    t.equal(await put({ becomes: 4, mac: 'four' }, { id: 'b', becomes: 9 }), false)
    t.match(await peer.documents.read('key', 'a'), { version: 1, mac: 'now' })
    t.equal(await put({ becomes: 4, mac: 'four' }), true)
    t.match(await peer.documents.read('key', 'a'), { version: 4, body: 'x', mac: 'four' })
    t.equal(await put({ becomes: 5, expiresAt: (await store.now()) + HOUR_MS }), true)
    t.equal((await peer.documents.read('key', 'a'))?.mac, undefined)
  })
}
