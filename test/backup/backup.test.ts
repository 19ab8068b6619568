import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { isEmpty, restoreBackup, verifyBackup } from '../../src/backup/restore.ts'
import { writeBackup } from '../../src/backup/writer.ts'
import { createKeyring, type Keyring } from '../../src/crypto/keyring.ts'
import type { SealingKey } from '../../src/crypto/keyring-text.ts'
import { KEPT_KINDS } from '../../src/store/document-kinds.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { readIntegrityNote } from '../../src/store/integrity/store-watch.ts'
import type { Store } from '../../src/store/store.ts'

const newKey = (id: string): SealingKey => ({
  id,
  key: crypto.getRandomValues(new Uint8Array(32)),
})

const key = newKey('k1')
const keyring = createKeyring([key])
const definition = JSON.stringify({ schema: 1, loginUrl: 'https://acme.my.salesforce.com' })

async function newStore(t: Test): Promise<Store> {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-backup-'))
  const store = createEmbeddedStore({ dataDir })
  t.teardown(async () => {
    await store.close()
    await rm(dataDir, { recursive: true })
  })
  return store
}

/** Enough for several sections. */
const INTEGRATIONS = 250

async function filled(t: Test, sealing: Keyring = keyring): Promise<Store> {
  const store = await newStore(t)
  const records = await Promise.all(
    Array.from({ length: INTEGRATIONS }, async (_, i) => {
      const [name, uid] = [`n${i}`, `u${i}`]
      const secrets = await sealing.seal(`integration:${name}:${uid}`, '{}')
      return { name, uid, version: 1, digests: ['d'], definition, secrets, custody: null }
    }),
  )
  await store.archive.putIntegrations(records, { id: 'x', lookInMs: 0 })
  for (const kind of Object.keys(KEPT_KINDS)) {
    await store.documents.write(kind, 'one', '{"a":1}', { expected: 'any' })
  }
  return store
}

async function backedUp({ archive }: Store, sealing: Keyring = keyring): Promise<string[]> {
  const lines: string[] = []
  const parts = { archive, keyring: sealing, version: '1', uniqueId: randomUUID, now: Date.now }
  for await (const line of writeBackup(parts)) lines.push(line.replace(/\n$/, ''))
  return lines
}

const reading = (lines: readonly string[]) =>
  async function* () {
    yield* lines
  }

const verify = (lines: readonly string[], ring = keyring) => verifyBackup(reading(lines), ring)

const SILENT = { warn: () => undefined }

const restore = (store: Store, lines: readonly string[]) =>
  restoreBackup({ store, keyring, lines: reading(lines), uniqueId: randomUUID, log: SILENT })

t.test('holds everything that is to be kept, and shows none of it', async (t) => {
  const lines = await backedUp(await filled(t))
  const { counts } = await verify(lines)
  const documents = Object.fromEntries(Object.keys(KEPT_KINDS).map((kind) => [kind, 1]))
  t.same(counts, { integrations: INTEGRATIONS, ...documents })
  // A sealed line may have any letters, but no point between two words.
  t.notMatch(lines.join('\n'), /acme\.my|"n1"/)
})

t.test('refuses a file that is not whole, whatever was done to it', async (t) => {
  const store = await filled(t)
  const lines = await backedUp(store)
  const other = await backedUp(store)
  t.ok(lines.length > 5)
  const [head = '', one = '', two = '', ...rest] = lines
  const refused = async (altered: readonly string[], message: RegExp) =>
    t.rejects(verify(altered), { trouble: 'refused', message })
  await refused([], /empty/)
  await refused(['PK\u0003\u0004'], /not a backup of Valetkey/)
  await refused(['null', one], /not a backup of Valetkey/)
  for (let kept = 1; kept < lines.length; kept += 1) {
    await refused(lines.slice(0, kept), /truncated/)
  }
  await refused([head, one.slice(0, -10)], /line 2 was altered or cut/)
  await refused([head, one, ...rest], /line 3 was altered/)
  await refused([head, two, one, ...rest], /line 2 was altered/)
  await refused([head, one, one, ...rest], /line 3 was altered/)
  await refused([head, other[1] ?? '', two, ...rest], /line 2 was altered/)
  await refused([other[0] ?? '', one, two, ...rest], /line 2 was altered/)
  await refused([...lines, ''], /data was appended/)
  await refused([...lines, one], /data was appended/)
  const middle = Math.floor(two.length / 2)
  const flipped = two[middle] === 'A' ? 'B' : 'A'
  const bent = `${two.slice(0, middle)}${flipped}${two.slice(middle + 1)}`
  await refused([head, one, bent, ...rest], /line 3 was altered/)
  const redated = head.replace(/"created_at":"[^"]+"/, '"created_at":"2020-01-01T00:00:00.000Z"')
  t.not(redated, head)
  await refused([redated, one, two, ...rest], /first line of the backup was altered/)
  await refused([head.replace('"valetkey_backup":1', '"valetkey_backup":2'), one], /newer release/)
  await t.resolves(verify(lines), 'and as it was it is fine')
})

t.test('refuses what the keyring cannot open, and says which key is missing', async (t) => {
  const [old, fresh] = [newKey('old'), newKey('fresh')]
  const store = await filled(t, createKeyring([old]))
  const lines = await backedUp(store, createKeyring([fresh, old]))
  await t.rejects(verify(lines), { trouble: 'refused', message: /lacks fresh/ })
  const withoutOld = createKeyring([fresh])
  await t.rejects(verify(lines, withoutOld), { trouble: 'refused', message: /lacks old/ })
  const stranger = createKeyring([newKey('fresh'), newKey('old')])
  await t.rejects(verify(lines, stranger), { trouble: 'refused', message: /line 2/ })
  await t.resolves(verify(lines, createKeyring([newKey('newest'), old, fresh])))
})

t.test('refuses a record of a newer release', async (t) => {
  const store = await newStore(t)
  const newer = JSON.stringify({ schema: 2 })
  const record = { name: 'a', uid: 'u', version: 1, digests: [], definition: newer, secrets: '' }
  await store.archive.putIntegrations([{ ...record, custody: null }], { id: 'x', lookInMs: 0 })
  const lines = await backedUp(store)
  await t.rejects(verify(lines), { trouble: 'refused', message: /integration a .* newer release/ })
})

t.test('puts all of it back, and takes away what is not in it', async (t) => {
  const from = await filled(t)
  const lines = await backedUp(from)
  const to = await newStore(t)
  t.ok(await isEmpty(to))
  await to.documents.write('callers', 'surplus', '{}', { expected: 'any' })
  t.ok(await isEmpty(to), 'a replica counts what it serves without the store')
  await to.integrations.create('surplus', 'u', { digests: [], definition, secrets: '' })
  await to.integrations.create('n7', 'mine', { digests: [], definition, secrets: '' })
  await to.documents.write('api-key', 'surplus', '{}', { expected: 'any' })
  await to.documents.write('other', 'kept', '{}', { expected: 'any' })
  t.notOk(await isEmpty(to))
  await restore(to, lines)
  t.equal(await readIntegrityNote(to), 'accepted')
  const page = { limit: 1_000 }
  const bare = async ({ archive }: Store) =>
    (await archive.integrations(page)).items.map(({ version: _, ...record }) => record)
  t.same(await bare(to), await bare(from))
  const documents = async ({ archive }: Store, kind: string) =>
    (await archive.documents(kind, page)).items.map(({ version: _, ...record }) => record)
  for (const kind of Object.keys(KEPT_KINDS)) {
    t.same(await documents(to, kind), await documents(from, kind), kind)
  }
  t.ok(await to.documents.read('other', 'kept'))
  await restore(to, lines)
  t.same(await bare(to), await bare(from), 'done twice')
})

t.test('a restore that broke off leaves a store that says so', async (t) => {
  const lines = await backedUp(await filled(t))
  const to = await newStore(t)
  const broken: Store = {
    ...to,
    archive: {
      ...to.archive,
      async putDocuments() {
        throw new Error('killed')
      },
    },
  }
  await t.rejects(restore(broken, lines), /killed/)
  t.equal(await readIntegrityNote(to), 'wiped')
  t.notOk(await isEmpty(to))
  await restore(to, lines)
  t.equal(await readIntegrityNote(to), 'accepted')
})

t.test(
  'is not put back twice at once, for each would remove what is only in the other',
  async (t) => {
    const lines = await backedUp(await filled(t))
    const store = await newStore(t)
    const { promise: isGoing, resolve: begin } = Promise.withResolvers<void>()
    const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>()
    const slowly = async function* () {
      yield* lines.slice(0, 2)
      begin()
      await mayGoOn
      yield* lines.slice(2)
    }
    const parts = { store, keyring, uniqueId: randomUUID, log: SILENT }
    const first = restoreBackup({ ...parts, lines: slowly })
    await isGoing
    const other = await backedUp(await newStore(t))
    await t.rejects(restore(store, other), { trouble: 'unavailable', message: /in progress/ })
    goOn()
    await first
    const { items } = await store.archive.integrations({ limit: 1_000 })
    t.equal(items.length, INTEGRATIONS)
    await t.resolves(restore(store, lines), 'and afterwards it can be done again')
  },
)
