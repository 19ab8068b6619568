/** What a replica says while data keys of the store cannot be opened. The signer is one of the test, for its faults. */
import t from 'tap'
import { createKeyring, newSealingKey } from '../../src/crypto/keyring.ts'
import { createDataKeyMaintainer } from '../../src/keyring/data-keys/data-key-maintainer.ts'
import { DATA_KEYS } from '../../src/keyring/data-keys/data-key-record.ts'
import { signingRefused } from '../../src/signers/signing-problem.ts'
import type { Wrapper } from '../../src/signers/wrapping/wrapping.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { partOf } from '../support/part.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

const [own, refused, good] = ['own', 'refused', 'good'].map((id) => {
  const { key } = newSealingKey(0)
  return { name: 'main', key, record: { id, wrapped: id, signer: 's', key: 'k', wrappedAt: 0 } }
})

t.test('a key that cannot be opened hides no other one, and is told during each try', async (t) => {
  if (!own || !refused || !good) return
  const store = createEmbeddedStore({ dataDir: t.testdir({}), now: Date.now })
  t.teardown(() => store.close())
  const keys = [own, refused, good].map(({ record }) => record)
  await DATA_KEYS.claim(store.documents, 'main', { keys }, { expected: 'absent' })
  const answer = Promise.withResolvers<void>()
  let asked = 0
  const wrapper = partOf<Wrapper>({
    name: 'main',
    async unwrap(wrapped) {
      if (wrapped === 'good') return good.key
      asked += 1
      if (asked > 1) await answer.promise
      throw signingRefused('s', 'does not decrypt with the version of k that wrapped')
    },
  })
  const keyring = createKeyring([{ id: 'own', key: own.key }])
  const maintainer = createDataKeyMaintainer({
    held: {
      opened: [own],
      wrappers: { byName: new Map([['main', wrapper]]), stop: async () => undefined },
    },
    ...{ documents: store.documents, keyring, runtime: testRuntime(), log: testLog() },
  })
  t.teardown(() => maintainer.stop())
  maintainer.start()
  await eventually(() => maintainer.trouble() !== undefined)
  t.same(keyring.keyIds, ['own', 'good'], 'the key behind it is learned')
  maintainer.wake()
  await eventually(() => asked === 2)
  t.match(maintainer.trouble(), /^a data key cannot be opened: The signer s does not decrypt/)
  answer.resolve()
})
