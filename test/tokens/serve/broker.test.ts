import t from 'tap'
import type { Principal } from '../../../src/callers/policy.ts'
import { type BrokerDependencies, createBroker } from '../../../src/tokens/serve/broker.ts'
import type { MintResult } from '../../../src/tokens/serve/lease.ts'
import { entryOf, integrationOf, leaseOf } from '../../support/integrations.ts'
import { partOf } from '../../support/part.ts'

const everything: Principal = {
  ...{ id: 'api-key:me', kind: 'api_key', name: 'me' },
  permits: [{ permission: 'tokens:read', integrations: ['*'], labels: {} }],
}
const lease = leaseOf({ mintedAt: 0, refreshAt: 700_000, expiresAt: 1_000_000 })
const integration = integrationOf({
  credentialFrom: 'lender',
})

/** A broker with a lease that has a second left, and what ends the mint of the next one. */
function nearTheEnd(now = () => 999_000) {
  const minting = Promise.withResolvers<MintResult>()
  const ran: string[] = []
  const broker = createBroker(
    partOf<BrokerDependencies>({
      reader: partOf<BrokerDependencies['reader']>({
        trusted: () => entryOf({ integration, lease }),
      }),
      life: partOf<BrokerDependencies['life']>({
        coordinator: {
          run(_entry, { kind }) {
            ran.push(kind)
            return { result: minting.promise, joined: ran.length > 1 }
          },
        },
      }),
      due: { mark: async () => undefined },
      prepare: async () => undefined,
      now,
    }),
  )
  const ask = (minTtlMs?: number) =>
    Promise.resolve(
      broker.lease('billing', everything, {
        ...(minTtlMs !== undefined && { minTtlMs }),
        requestId: 'r',
      }),
    )
  return { ask, ran, minting }
}

t.test('while its replacement hangs, a token that lives is served as it is', async (t) => {
  const { ask, ran } = nearTheEnd()
  t.match(await ask(), { lease, via: 'hit' })
  const waits: unknown[] = []
  const { setTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: (...given: Parameters<typeof setTimeout>) => {
      waits.push(given[1])
      return setTimeout(...given)
    },
  })
  t.match(await ask(), { lease, via: 'hit' })
  t.same(waits, [], 'the next caller does not wait at all')
  t.same(ran, ['need', 'need'], 'each looks whether a mint is under way')
})

t.test('a token that ends while its replacement is waited for is not served', async (t) => {
  const times = [999_900, 999_900]
  const { ask, minting } = nearTheEnd(() => {
    const time = times.shift()
    if (time !== undefined) return time
    minting.resolve({ lease: leaseOf({ tokenId: 'next' }), isFresh: true, isSaved: true })
    return 1_000_000
  })
  t.match(await ask(), { lease: { tokenId: 'next' } })
})

t.test('who asks for a time waits for the replacement', async (t) => {
  const { ask, minting } = nearTheEnd()
  await ask()
  const answers: unknown[] = []
  const asked = ask(30_000).then((served) => answers.push(served))
  await ask()
  t.same(answers, [])
  const next = leaseOf({ tokenId: 'next' })
  minting.resolve({ lease: next, isFresh: true, isSaved: true })
  await asked
  t.match(answers, [{ lease: next }])
})

t.test('a replacement that fails later is nothing that nobody handles', async (t) => {
  const { ask, minting } = nearTheEnd()
  await ask()
  minting.reject(new Error('Salesforce was away'))
  t.match(await ask(), { lease, via: 'hit' })
})
