import t from 'tap'
import { createApiKeyStore } from '../../src/callers/api-key-store.ts'
import type { DocumentRecord, Documents } from '../../src/store/store.ts'

/** Documents of one kind, of which a page has at most 200. */
function shelf() {
  const records = new Map<string, DocumentRecord>()
  const documents: Documents = {
    read: async () => undefined,
    async list(kind, { after = '' }) {
      const all = kind === 'api-key' ? [...records.values()] : []
      const rest = all.filter(({ id }) => id > after)
      const items = rest.slice(0, 200)
      return { items, next: rest.length > 200 ? (items.at(-1)?.id ?? null) : null }
    },
    async write(kind, id, body) {
      const record = { id, version: 1, body }
      if (kind === 'api-key') records.set(id, record)
      return record
    },
    remove: async () => true,
  }
  return documents
}

t.test('all keys that were made with a key are found, on whichever page they are', async (t) => {
  const keys = createApiKeyStore({
    documents: shelf(),
    now: () => 0,
    events: { emit: () => undefined },
  })
  const ids = Array.from({ length: 450 }, (_, index) => `key-${String(index).padStart(3, '0')}`)
  for (const [index, id] of ids.entries()) {
    await keys.create({
      ...{ id, name: id, permissions: [], integrations: [], labels: {}, digest: id },
      ...{ createdAt: 0, expiresAt: 1, createdBy: 'api-key:maker' },
      createdByKey: index % 2 === 0 ? 'maker' : 'another',
    })
  }
  const made = await keys.madeWith([{ id: 'maker' }])
  t.same(
    made.map(({ id }) => id),
    ids.filter((_, index) => index % 2 === 0),
  )
})

t.test('another release permits nothing that it would not limit to networks', async (t) => {
  const documents = shelf()
  const keys = createApiKeyStore({ documents, now: () => 0, events: { emit: () => undefined } })
  await keys.create({
    ...{ id: 'k', name: 'k', permissions: ['tokens:read', 'audit:read'], integrations: ['*'] },
    ...{ labels: {}, digest: 'k', createdAt: 0, expiresAt: 1, createdBy: 'admin' },
    networks: ['10.0.0.0/8'],
    requests: ['GET /services/data'],
  })
  const { items } = await documents.list('api-key', { limit: 10 })
  const stored = JSON.parse(String(items[0]?.body))
  t.same(stored.permissions, [])
  t.notHas(stored, 'requests', 'a release that has no networks would permit them everywhere')
  const [shown] = (await keys.list({ limit: 10 })).items
  t.same(shown?.permissions, ['tokens:read', 'audit:read'])
  t.same(shown?.networks, ['10.0.0.0/8'])
  t.same(shown?.requests, ['GET /services/data'])
  const { requestsWithin: _, ...older } = { ...stored, requests: ['GET /old'] }
  await documents.write('api-key', 'k', JSON.stringify(older), { expected: 1 })
  const read = (await keys.list({ limit: 10 })).items.find(({ id }) => id === 'k')
  t.match(read, { requests: ['GET /old'], permissions: ['tokens:read', 'audit:read'] })
})
