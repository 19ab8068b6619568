import { createReplicas } from '../../src/keyring/replicas.ts'
import { eachEngine } from '../support/store-engines.ts'

eachEngine(async (t, open) => {
  t.test('a replica whose record cannot be read is not left out', async (t) => {
    const { store } = await open(t)
    const { documents } = store
    const now = await store.now()
    const replicas = createReplicas({
      documents,
      keyring: { keyIds: ['first'] },
      id: 'one',
      now: () => now,
    })
    await replicas.announce()
    t.match(await replicas.list(), [{ id: 'one', keys: ['first'] }])
    await documents.write('replica-keyring', 'two', '{"seenAt":1}', { expected: 'any' })
    await t.rejects(replicas.list(), { code: 'record_corrupt' })
    await documents.remove('replica-keyring', 'two', 'any')
    t.match(await replicas.list(), [{ id: 'one' }])
  })
})
