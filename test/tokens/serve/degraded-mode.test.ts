import t from 'tap'
import { createDegradedMode } from '../../../src/tokens/serve/degraded-mode.ts'
import { entryOf, integrationOf, leaseOf } from '../../support/integrations.ts'

const integration = integrationOf({ name: 'own' })
const lease = leaseOf({ integration: 'own', tokenId: 'same', mintedAt: 1, expiresAt: 9 })
const by = { principal: 'api-key:reader', requestId: null }

/** Salesforce repeats its token. */
const degradedMode = () =>
  createDegradedMode({
    logins: { mint: async () => lease, probe: () => undefined },
    flights: { join: (_key, work) => ({ result: work(), joined: false }) },
    audit: { minted: () => undefined, refused: () => undefined },
    runtime: { now: () => 2, monotonic: () => 2, uniqueId: () => 'one' },
  })

t.test('without the store, a rejection of what was never held is a need', async (t) => {
  const requirement = { kind: 'rejected', tokenId: 'same' } as const
  const never = entryOf({ integration })
  const { result } = degradedMode().mint(never, requirement, by)
  t.equal((await result).lease, lease)
  const held = { ...never, lease }
  await t.rejects(degradedMode().mint(held, requirement, by).result, { code: 'token_still_live' })
})
