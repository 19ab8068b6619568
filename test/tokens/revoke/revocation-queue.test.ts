import t from 'tap'
import { generateKeyring, keyringOf } from '../../../src/crypto/keyring.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import type { DocumentRecord, Documents } from '../../../src/store/store.ts'
import { createRevocationQueue } from '../../../src/tokens/revoke/revocation-queue.ts'
import { eventually } from '../../support/eventually.ts'
import { testRuntime } from '../../support/runtime.ts'

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

function queueOn(documents: Documents, { refuses = false, stepMs = 60_000 } = {}) {
  const sent: { loginUrl: string; token: string }[] = []
  const revoked: unknown[] = []
  const told: string[] = []
  const slept: number[] = []
  const givenUp: { readonly of: readonly unknown[]; readonly days: number }[] = []
  const done = Promise.withResolvers<void>()
  const keyring = keyringOf(generateKeyring(0))
  let clock = 0
  const queue = createRevocationQueue({
    ...{ documents, keyring },
    endpoint: {
      async revoke({ loginUrl, token }) {
        sent.push({ loginUrl, token: token.reveal() })
        if (refuses) throw new BrokerError('salesforce_unavailable', 'It is away')
        return 'revoked'
      },
    },
    runtime: testRuntime({
      now: () => clock,
      async sleep(ms, signal) {
        slept.push(ms)
        clock += stepMs
        await new Promise(setImmediate)
        signal?.throwIfAborted()
      },
    }),
    onRevoked: (...of) => revoked.push(of),
    onGivenUp(...of) {
      givenUp.push({ of, days: clock / 86_400_000 })
      done.resolve()
    },
    outage: {
      over() {
        told.push('over')
        if (!refuses) done.resolve()
      },
      report(error) {
        told.push('report')
        if (!refuses) done.reject(error)
      },
    },
  })
  const run = async () => {
    queue.start()
    await done.promise
    await queue.stop().catch(() => undefined)
  }
  return { queue, keyring, run, sent, revoked, givenUp, told, slept }
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

t.test(
  'one that Salesforce does not end is tried for seven days, and not given up in silence',
  async (t) => {
    const { records, documents } = shelf()
    const { queue, run, sent, revoked, givenUp } = queueOn(documents, {
      refuses: true,
      stepMs: 3_600_000,
    })
    await queue.add(ISSUER, lease)
    await run()
    t.match(givenUp, [{ of: ['id', 'billing', { code: 'salesforce_unavailable' }] }])
    const { days = 0 } = givenUp[0] ?? {}
    t.ok(days >= 7 && days < 7.5, `${days} days`)
    t.ok(sent.length > 100)
    t.same(revoked, [])
    t.equal(records.size, 0)
  },
)

t.test('one that no key opens any more is given up in its time, too', async (t) => {
  const { records, documents } = shelf()
  const { run, sent, givenUp } = queueOn(documents, { refuses: true, stepMs: 3_600_000 })
  const sealed = await keyringOf(generateKeyring(0)).seal('revocation:id', '00D!secret')
  const body = JSON.stringify({ loginUrl: ISSUER, sealed, tries: 0, queuedAt: 0, nextAt: 0 })
  records.set('id', { id: 'id', version: 1, body })
  await run()
  t.match(givenUp, [{ of: ['id', null, { code: 'record_corrupt' }] }])
  t.same(sent, [])
  t.equal(records.size, 0)
})

t.test('while one waits for its next try, the trouble of its last one is not over', async (t) => {
  const { documents } = shelf()
  // Shorter than the pauses between tries, so that most rounds find nothing due.
  const { queue, run, sent, told } = queueOn(documents, { refuses: true, stepMs: 1_200_000 })
  await queue.add(ISSUER, lease)
  await run()
  t.ok(sent.length > 100)
  t.equal(told.filter((one) => one === 'report').length, sent.length - 1, 'the last is given up')
  t.notOk(told.slice(0, -1).includes('over'))
})

t.test('one whose next time cannot be written is looked at soon', async (t) => {
  const { documents, records } = shelf()
  const { queue, run, told, slept } = queueOn({
    ...documents,
    async write(...write) {
      // The try itself, which has the version that it read.
      if (write[3].expected !== 'any') {
        records.clear()
        throw new BrokerError('store_unavailable', 'It is away')
      }
      return documents.write(...write)
    },
  })
  await queue.add(ISSUER, lease)
  await run().catch(() => undefined)
  await eventually(() => slept.length >= 2)
  // The pause of this runtime ends with an error.
  await queue.stop().catch(() => undefined)
  t.same(told.slice(0, 1), ['report'])
  t.equal(slept[1], 5_000, 'after the pause before the first look')
})

t.test('a host that fails does not keep the tokens of another one waiting', async (t) => {
  const { documents } = shelf()
  const asked: string[] = []
  const queue = createRevocationQueue({
    ...{ documents, keyring: keyringOf(generateKeyring(0)) },
    endpoint: {
      async revoke({ loginUrl }) {
        asked.push(loginUrl)
        if (loginUrl === ISSUER) throw new BrokerError('salesforce_unavailable', 'It is away')
        return 'revoked'
      },
    },
    runtime: testRuntime({ now: () => 60_000, sleep: () => new Promise(setImmediate) }),
    onRevoked: () => undefined,
    onGivenUp: () => undefined,
    outage: { over: () => undefined, report: () => undefined },
  })
  const add = (loginUrl: string, tokenId: string) =>
    queue.add(loginUrl, { ...lease, tokenId }, 'frz_1')
  for (let index = 0; index < 100; index += 1) await add(ISSUER, `ill-${index}`)
  for (let index = 0; index < 20; index += 1) await add(FOREIGN, `well-${index}`)
  const waiting = async () => {
    const found: string[] = []
    for await (const { tokenId, freeze } of queue.ofFreezes()) found.push(`${freeze} ${tokenId}`)
    return found
  }
  t.equal((await waiting()).length, 120)
  queue.start()
  await eventually(() => asked.filter((host) => host === FOREIGN).length === 20)
  await eventually(async () => (await waiting()).every((of) => /^frz_1 ill/.test(of)))
  await queue.stop().catch(() => undefined)
  const failed: string[] = []
  for await (const { reason, tokenId } of queue.ofFreezes()) if (reason) failed.push(tokenId)
  t.ok(failed.length > 0, 'the reason of a failure is kept')
  t.ok(asked.indexOf(FOREIGN) < 40, 'it did not wait for all that fail')
})

/** A shelf that gives at most so many records at once. */
function paged(limit: number) {
  const { records, documents } = shelf()
  const list: Documents['list'] = async (_kind, { after = '' }) => {
    const rest = [...records.values()].filter(({ id }) => id > after)
    const items = rest.slice(0, limit)
    return { items, next: rest.length > limit ? (items.at(-1)?.id ?? null) : null }
  }
  return { records, documents: { ...documents, list } }
}

t.test('all that wait are tried, on whichever page they are', async (t) => {
  const { records, documents } = paged(100)
  const { queue, run, sent } = queueOn(documents)
  const ids = Array.from({ length: 250 }, (_, index) => `id-${String(index).padStart(3, '0')}`)
  for (const tokenId of ids) {
    await queue.add(ISSUER, { ...lease, tokenId, accessToken: new Secret(`00D!${tokenId}`) })
  }
  await run()
  t.same(
    sent.map(({ token }) => token).sort(),
    ids.map((id) => `00D!${id}`),
  )
  t.equal(records.size, 0)
})
