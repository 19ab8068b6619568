import t from 'tap'
import { generateKeyring, keyringOf } from '../../../src/crypto/keyring.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import type { SaveResult } from '../../../src/store/store.ts'
import { createLeaseStore } from '../../../src/tokens/serve/lease-store.ts'
import { integrationOf, leaseOf } from '../../support/integrations.ts'

const lease = leaseOf({ integration: 'billing', tokenId: 'T1' })
const entry = { integration: integrationOf({ name: 'billing' }), orev: 0 }
const SAVED: SaveResult = { saved: true, orev: 1, rev: 1 }

/** A store whose register has version 2, and a replica that knows version 1. */
function behind(isFrozenSince2: boolean) {
  let known = 1
  const tried: unknown[] = []
  const ended: string[] = []
  const store = createLeaseStore({
    keyring: keyringOf(generateKeyring(0)),
    outcomes: {
      async save(_name, _expected, { guard }) {
        tried.push(guard?.version)
        return guard?.version === 2 ? SAVED : { saved: false, reason: 'guard' }
      },
    },
    freezes: {
      async permit() {
        if (known === 2 && isFrozenSince2) throw new BrokerError('integration_frozen', 'Frozen')
        return { kind: 'freezes', id: 'all', version: known }
      },
      async refresh() {
        known = 2
      },
    },
    endFrozen: async ({ tokenId }) => {
      ended.push(tokenId)
    },
  })
  return { store, tried, ended }
}

t.test('a freeze that was not heard yet keeps a lease from being saved', async (t) => {
  const { store, tried, ended } = behind(true)
  await t.rejects(store.save(lease, entry, null), { code: 'integration_frozen' })
  t.same(tried, [1])
  t.same(ended, ['T1'], 'its token is revoked')
})

t.test('a freeze of something else only costs another try', async (t) => {
  const { store, tried, ended } = behind(false)
  t.same(await store.save(lease, entry, null), SAVED)
  t.same(tried, [1, 2])
  t.same(ended, [])
})
