import t from 'tap'
import { generateKeyring, keyringOf } from '../../src/crypto/keyring.ts'
import { Secret } from '../../src/crypto/secret.ts'
import type { DocumentRecord, Documents } from '../../src/store/store.ts'
import { createRevocationQueue } from '../../src/tokens/revocation-queue.ts'

const ISSUER = 'https://acme.my.salesforce.com'
const FOREIGN = 'https://foreign.my.salesforce.com'
const lease = { integration: 'billing', tokenId: 'id', accessToken: new Secret('00D!secret') }

/** A store with one shelf, whose content can be changed behind the queue's back. */
function shelf() {
  const records = new Map<string, DocumentRecord>()
  const documents: Documents = {
    read: async (_kind, id) => records.get(id),
    list: async () => ({ items: [...records.values()], next: null }),
    async write(_kind, id, body) {
      const record = { id, version: (records.get(id)?.version ?? 0) + 1, body }
      records.set(id, record)
      return record
    },
    remove: async (_kind, id) => records.delete(id),
  }
  return { records, documents }
}

function queueOn(documents: Documents) {
  const sent: { loginUrl: string; token: string }[] = []
  const revoked: unknown[] = []
  const done = Promise.withResolvers<void>()
  const keyring = keyringOf(generateKeyring(0))
  let clock = 0
  const queue = createRevocationQueue({
    ...{ documents, keyring, now: () => clock },
    endpoint: {
      async revoke({ loginUrl, token }) {
        sent.push({ loginUrl, token: token.reveal() })
        return 'revoked'
      },
    },
    async sleep(_ms, signal) {
      clock += 60_000
      await new Promise(setImmediate)
      signal.throwIfAborted()
    },
    onRevoked: (...of) => revoked.push(of),
    onWorking: () => done.resolve(),
    onTrouble: (error) => done.reject(error),
  })
  const run = async () => {
    queue.start()
    await done.promise
    await queue.stop().catch(() => undefined)
  }
  return { queue, keyring, run, sent, revoked }
}

t.test('a token that waits goes to its issuer, whatever the store says by then', async (t) => {
  const { records, documents } = shelf()
  const { queue, run, sent, revoked } = queueOn(documents)
  await queue.add(ISSUER, lease)
  const record = records.get('id') as DocumentRecord
  t.notMatch(record.body, /secret/)
  records.set('id', { ...record, body: record.body.replace(ISSUER, FOREIGN) })
  await run()
  t.same(sent, [{ loginUrl: ISSUER, token: '00D!secret' }])
  t.same(revoked, [['id', 'billing']])
  t.equal(records.size, 0)
})

t.test('one that a former release queued is still ended', async (t) => {
  const { records, documents } = shelf()
  const { keyring, run, sent, revoked } = queueOn(documents)
  const sealed = await keyring.seal('revocation:id', '00D!secret')
  const body = JSON.stringify({ loginUrl: ISSUER, sealed, tries: 0, nextAt: 0 })
  records.set('id', { id: 'id', version: 1, body })
  await run()
  t.same(sent, [{ loginUrl: ISSUER, token: '00D!secret' }])
  t.same(revoked, [['id', null]])
})
