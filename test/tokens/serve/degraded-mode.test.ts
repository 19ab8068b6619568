import t from 'tap'
import { createDegradedMode } from '../../../src/tokens/serve/degraded-mode.ts'
import type { Lease } from '../../../src/tokens/serve/lease.ts'
import type { Entry } from '../../../src/tokens/serve/lease-cache.ts'

const integration = {
  ...{ name: 'own', uid: 'u', version: 1, loginUrl: 'https://acme.my.salesforce.com' },
  grant: { type: 'client_credentials' },
}
const lease = { integration: 'own', tokenId: 'same', mintedAt: 1, expiresAt: 9 } as Lease
const by = { principal: 'api-key:reader', requestId: null }

/** Salesforce repeats its token. */
const storeless = () =>
  createDegradedMode({
    minter: { mint: async () => lease } as never,
    attempts: { run: (_host, _deadline, attempt) => attempt() },
    flights: { join: (_key, work) => ({ result: work(), joined: false }) },
    now: () => 2,
    monotonic: () => 2,
    onMinted: () => undefined,
    onRefused: () => undefined,
  })

t.test('without the store, a rejection of what was never held is a need', async (t) => {
  const question = { kind: 'rejected', tokenId: 'same' } as const
  const never = { integration, digests: [] } as unknown as Entry
  const { result } = storeless().mint(never, question, by)
  t.equal((await result).lease, lease)
  const held = { ...never, lease } as Entry
  await t.rejects(storeless().mint(held, question, by).result, { code: 'token_still_live' })
})
