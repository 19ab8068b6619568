import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createKeyring, type Keyring } from '../../src/crypto/keyring.ts'
import type { SealingKey } from '../../src/crypto/keyring-text.ts'
import { createCensusTaker } from '../../src/keyring/census.ts'
import { createResealer } from '../../src/keyring/resealer.ts'
import { createSealedRecords } from '../../src/keyring/sealed-records.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

const newKey = (id: string): SealingKey => ({
  id,
  key: crypto.getRandomValues(new Uint8Array(32)),
})

const [old, fresh] = [newKey('old'), newKey('fresh')]
const before = createKeyring([old])
const after = createKeyring([fresh, old])
const alone = createKeyring([fresh])
const HOUR_MS = 3_600_000
/** More than a page. */
const INTEGRATIONS = 250

async function world(t: Test) {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-reseal-'))
  const store = createEmbeddedStore({ dataDir })
  const stops: (() => Promise<void>)[] = []
  t.teardown(async () => {
    await Promise.all(stops.map((stop) => stop()))
    await store.close()
    await rm(dataDir, { recursive: true })
  })
  const listings = createSealedRecords({
    store,
    documents: { revocations: 'revocation', connections: 'connection' },
    kinds: [],
    prover: { renew: async () => 'current' },
  })
  const warnings: object[] = []
  /** A replica that can work at once; the lock only spares work. */
  const replica = (keyring: Pick<Keyring, 'sealingKeyId' | 'reseal'>) => {
    const audited: object[] = []
    const resealer = createResealer({
      listings,
      documents: store.documents,
      replicas: {
        list: async () => [],
        underLock: async (_name, work) => ({ result: await work() }),
      },
      keyring,
      rewrap: async () => undefined,
      audit: { background: (_by, entry) => void audited.push(entry) },
      runtime: testRuntime({
        sleep: (_ms, signal) =>
          new Promise((resolve) => {
            if (signal?.aborted) resolve()
            signal?.addEventListener('abort', () => resolve())
          }),
      }),
      log: testLog({ warn: (bindings) => void warnings.push(bindings) }),
    })
    return { ...resealer, audited, stopAtEnd: () => void stops.push(resealer.stop) }
  }
  const sealed = async (name: string) => (await store.integrations.readSealed(name))?.secrets ?? ''
  const census = createCensusTaker({ listings, keyring: after })
  const fill = async () => {
    for (let i = 0; i < INTEGRATIONS; i += 1) {
      const secrets = await before.seal(`integration:n${i}:u`, `secret ${i}`)
      await store.integrations.create(`n${i}`, 'u', { digests: ['d'], definition: '{}', secrets })
    }
  }
  return { store, replica, sealed, census, fill, warnings }
}

t.test('seals everything that there is, and leaves what it says and when it ends', async (t) => {
  const { store, replica, census, sealed, warnings } = await world(t)
  const now = await store.now()
  const secrets = await before.seal('integration:a:u', 'secret')
  await store.integrations.create('a', 'u', { digests: ['d'], definition: '{}', secrets })
  await store.integrations.create('none', 'u', { digests: [], definition: '{}', secrets: '' })
  const body = await before.seal('lease:a:u', 'token')
  const lease = { body, digest: 'd', tokenId: 'T', expiresAt: now + HOUR_MS }
  await store.outcomes.save('a', { uid: 'u', orev: 0 }, { lease })
  const beginning = { uid: 'u', expected: null, family: 'f', reason: '', body: '', lookInMs: 0 }
  const token = await before.seal('custody', 'refresh token')
  await store.custody.begin('a', { ...beginning, token })
  for (const kind of ['revocation', 'connection']) {
    const text = JSON.stringify({ sealed: await before.seal(kind, 'x'), tries: 3 })
    await store.documents.write(kind, 'one', text, { expected: 'any', expiresAt: now + HOUR_MS })
  }
  const integration = await store.integrations.read('a')

  const one = replica(after)
  t.match(await one.request('admin'), { isNew: true, job: { key: 'fresh', finishedAt: null } })
  one.stopAtEnd()
  one.start()
  await eventually(async () => (await one.read())?.finishedAt)
  t.match(await one.read(), { seen: 5, resealed: 5, failed: 0 })
  const { keys } = await census.take()
  t.same(
    [...keys],
    [
      [
        'fresh',
        { credentials: 1, refresh_tokens: 1, leases: 1, revocations: 1, connections: 1, macs: 0 },
      ],
    ],
  )
  t.equal(await alone.open('integration:a:u', await sealed('a')), 'secret')
  const look = await store.outcomes.look('a')
  t.equal(await alone.open('lease:a:u', look?.outcome.lease?.body ?? ''), 'token')
  const { record } = await store.custody.read('a')
  t.equal(await alone.open('custody', record?.token ?? ''), 'refresh token')
  t.match(record, { state: 'idle', g: 0 })
  for (const kind of ['revocation', 'connection']) {
    const { items } = await store.archive.documents(kind, { limit: 5 })
    const { sealed: text, tries } = JSON.parse(items[0]?.body ?? '{}')
    t.equal(await alone.open(kind, text), 'x')
    t.equal(tries, 3)
    t.equal(items[0]?.expiresAt, now + HOUR_MS)
  }
  t.equal((await store.integrations.read('a'))?.version, integration?.version)
  t.match(one.audited, [{ action: 'keyring.resealed', detail: { count: 5 } }])
  t.same(warnings, [])
})

t.test('another replica goes on where one was killed', async (t) => {
  const { replica, census, fill } = await world(t)
  await fill()
  let left = 220
  const { promise: never, resolve: thaw } = Promise.withResolvers<void>()
  const killed = replica({
    sealingKeyId: 'fresh',
    async reseal(jwe) {
      left -= 1
      if (left < 0) await never
      return after.reseal(jwe)
    },
  })
  await killed.request('admin')
  killed.start()
  await eventually(() => left < 0)
  const half = await killed.read()
  t.match(half, { seen: 200, resealed: 200, finishedAt: null })
  t.match(await killed.request('admin'), { isNew: false }, 'it is under way')

  const other = replica(after)
  other.stopAtEnd()
  other.start()
  await eventually(async () => (await other.read())?.finishedAt)
  const done = await other.read()
  t.match(done, { seen: INTEGRATIONS, failed: 0 })
  t.ok((done?.resealed ?? 0) <= INTEGRATIONS, 'what was done was not done again')
  t.equal((await census.take()).keys.get('old'), undefined)

  thaw()
  await killed.stop()
  t.same(await other.read(), done, 'one that only slept changes nothing when it wakes')
  t.match(await other.request('admin'), { isNew: true }, 'and it may be begun again')
})

t.test('loses no change that is made while it reads', async (t) => {
  const { store, replica, sealed, fill } = await world(t)
  await fill()
  let races = 0
  const one = replica({
    sealingKeyId: 'fresh',
    async reseal(jwe) {
      const text = await after.reseal(jwe)
      const record = await store.integrations.read('n7')
      if (record && races < 2 && (await sealed('n7')) === jwe) {
        races += 1
        const secrets = await before.seal('integration:n7:u', `changed ${races}`)
        await store.integrations.change('n7', record, { digests: [], definition: '{}', secrets })
      }
      return text
    },
  })
  one.stopAtEnd()
  await one.request('admin')
  one.start()
  await eventually(async () => (await one.read())?.finishedAt)
  t.equal(races, 2)
  t.equal(await alone.open('integration:n7:u', await sealed('n7')), 'changed 2')
})

t.test('leaves to others what is not sealed with its own first key', async (t) => {
  const { replica, fill, census } = await world(t)
  await fill()
  const asked = replica(after)
  await asked.request('admin')
  let looks = 0
  const former = replica({
    sealingKeyId: 'old',
    async reseal(jwe) {
      looks += 1
      return jwe
    },
  })
  former.stopAtEnd()
  former.start()
  asked.stopAtEnd()
  asked.start()
  await eventually(async () => (await asked.read())?.finishedAt)
  t.equal(looks, 0)
  t.equal((await census.take()).keys.get('old'), undefined)
})

t.test('a document that is none of ours holds up no other', async (t) => {
  const { store, census } = await world(t)
  for (const [at, body] of ['{', 'null', '7', '[]'].entries()) {
    await store.documents.write('revocation', `odd-${at}`, body, { expected: 'absent' })
  }
  const sealed = await before.seal('revocation', 'x')
  await store.documents.write('revocation', 'one', JSON.stringify({ sealed }), {
    expected: 'absent',
  })
  const { keys } = await census.take()
  t.match(keys.get('old'), { revocations: 1 })
})
