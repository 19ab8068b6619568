import t from 'tap'
import type { Principal } from '../../../src/callers/policy.ts'
import { type BrokerDependencies, createBroker } from '../../../src/tokens/serve/broker.ts'
import type { MintResult } from '../../../src/tokens/serve/lease.ts'
import { entryOf, integrationOf, leaseOf } from '../../support/integrations.ts'
import { NO_FREEZES } from '../../support/no-freezes.ts'
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
        freezes: NO_FREEZES,
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

/** A lease of eight minutes. */
function lastingWorld(leftMs: number) {
  const ran: string[] = []
  const minting = Promise.withResolvers<MintResult>()
  const old = leaseOf({ mintedAt: 0, refreshAt: 350_000, expiresAt: 480_000 })
  const broker = createBroker(
    partOf<BrokerDependencies>({
      reader: partOf<BrokerDependencies['reader']>({
        freezes: NO_FREEZES,
        trusted: () => entryOf({ integration, lease: old }),
      }),
      life: partOf<BrokerDependencies['life']>({
        coordinator: {
          run(_entry, { kind }) {
            ran.push(kind)
            return { result: minting.promise, joined: false }
          },
        },
      }),
      due: { mark: async () => undefined },
      prepare: async () => undefined,
      now: () => 480_000 - leftMs,
    }),
  )
  const ask = (isLasting: boolean) =>
    broker.lease('billing', everything, { isLasting, requestId: 'r' })
  return { ask, ran, minting, old }
}

t.test('who keeps a token gets one that lasts 120 s', async (t) => {
  const { ask, ran, minting } = lastingWorld(119_999)
  t.match(ask(false), { via: 'hit' }, 'others get what there is')
  const asked = ask(true)
  const next = leaseOf({ tokenId: 'next' })
  minting.resolve({ lease: next, isFresh: true, isSaved: true })
  t.match(await asked, { lease: next, via: 'miss' })
  t.same(ran, ['need'])
})

t.test('its replacement begins before anybody waits for it, once', async (t) => {
  for (const [leftMs, expected] of [
    [150_000, []],
    [149_999, ['replace']],
    [120_000, ['replace']],
  ] as const) {
    const { ask, ran, old } = lastingWorld(leftMs)
    for (let i = 0; i < 3; i += 1) t.match(ask(true), { lease: old, via: 'hit' })
    t.same(ran, expected, `${leftMs} ms left`)
  }
})

t.test('who keeps a token gets a shorter one if its replacement fails', async (t) => {
  const { ask, minting, old } = lastingWorld(60_000)
  minting.reject(new Error('Salesforce was away'))
  t.match(await ask(true), { lease: old, via: 'hit' })
})
