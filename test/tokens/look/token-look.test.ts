import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { createTokenLook } from '../../../src/tokens/look/token-look.ts'
import { integrationOf, leaseOf } from '../../support/integrations.ts'
import { partOf } from '../../support/part.ts'

type Dependencies = Parameters<typeof createTokenLook>[0]
type Probe = Dependencies['endpoint']['probe']

interface Replica {
  readonly probe?: Probe
  readonly hasLock?: () => boolean | Promise<boolean>
  readonly integration?: ReturnType<typeof integrationOf>
}

function replica({ probe, hasLock = () => true, integration = integrationOf() }: Replica) {
  let now = 0
  const calls: string[] = []
  const told: unknown[] = []
  const look = createTokenLook({
    endpoint: {
      probe:
        probe ??
        (async () => {
          calls.push('probe')
          return { verdict: 'live' }
        }),
    },
    integrationOf: () => integration,
    locks: {
      async acquire(name, _owner, ttlMs) {
        calls.push(`${name} ${ttlMs}`)
        return hasLock()
      },
    },
    changes: {
      async announce(change) {
        told.push(change)
      },
    },
    runtime: partOf<Dependencies['runtime']>({ monotonic: () => now, uniqueId: () => 'me' }),
    log: { info: () => undefined, warn: () => undefined },
  })
  return {
    ...{ look: look.look, heard: look.heard, calls, told },
    pass(ms: number) {
      now += ms
    },
  }
}

const lease = leaseOf({ tokenId: 't' })
const away = () => new BrokerError('store_unavailable', 'away')

t.test('one look for all callers, remembered for ten seconds, and told', async (t) => {
  const { look, calls, told, pass } = replica({})
  t.same(await Promise.all([look(lease), look(lease), look(lease)]), ['live', 'live', 'live'])
  t.same(calls, ['look:t 10000', 'probe'])
  t.same(told, [{ type: 'look', tokenId: 't', verdict: 'live' }])
  pass(9_999)
  t.equal(look(lease), 'live', 'without a promise')
  pass(300)
  t.equal(await look(lease), 'live')
  t.equal(calls.length, 4)
})

t.test('a look that is too old for the caller is repeated once, under another lock', async (t) => {
  const { look, calls, pass } = replica({})
  await look(lease)
  pass(100)
  t.equal(await look(lease, 50), 'live')
  t.equal(look(lease, 50), 'live')
  t.same(calls, ['look:t 10000', 'probe', 'look-again:t 10000', 'probe'])
})

const SAID = { live: 'live', dead: 'dead', no_api: 'live', untold: 'unknown' } as const
for (const [verdict, expected] of Object.entries(SAID)) {
  t.test(`what Salesforce says means ${expected}: ${verdict}`, async (t) => {
    const { look } = replica({ probe: async () => ({ verdict }) as never })
    t.equal(await look(lease), expected)
  })
}

t.test('no answer means that it is not known', async (t) => {
  const { look, told } = replica({
    probe: async () => {
      throw new BrokerError('salesforce_unavailable', 'away')
    },
  })
  t.equal(await look(lease), 'unknown')
  t.match(told, [{ verdict: 'unknown' }])
})

t.test('another replica looks: its verdict is waited for', async (t) => {
  const { look, heard, calls } = replica({ hasLock: () => false })
  const asked = look(lease)
  await new Promise(setImmediate)
  heard({ type: 'look', tokenId: 'other', verdict: 'live' })
  heard({ type: 'look', tokenId: 't', verdict: 'dead' })
  t.equal(await asked, 'dead')
  t.same(calls, ['look:t 10000'])
  t.equal(await look(lease), 'dead')
})

t.test('a verdict that comes before the answer about the lock is not missed', async (t) => {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const { look, heard } = replica({ hasLock: () => promise })
  const asked = look(lease)
  heard({ type: 'look', tokenId: 't', verdict: 'dead' })
  resolve(false)
  t.equal(await asked, 'dead')
})

t.test(
  'a verdict reaches a look, and one that must not be older, which run together',
  async (t) => {
    const { look, heard, pass } = replica({ hasLock: () => false })
    const first = look(lease)
    pass(100)
    const second = look(lease, 50)
    await new Promise(setImmediate)
    heard({ type: 'look', tokenId: 't', verdict: 'dead' })
    t.same(await Promise.all([first, second]), ['dead', 'dead'])
  },
)

t.test('what was heard counts for ten seconds', async (t) => {
  const { look, heard, calls, pass } = replica({})
  heard({ type: 'look', tokenId: 't', verdict: 'live' })
  t.equal(look(lease), 'live')
  t.same(calls, [])
  pass(10_300)
  await look(lease)
  t.equal(calls.length, 2)
})

t.test('without the store, this replica looks', async (t) => {
  const { look } = replica({ hasLock: () => Promise.reject(away()) })
  t.equal(await look(lease), 'live')
})

t.test('a token that is not for the REST API is not looked at', async (t) => {
  const integration = integrationOf({ grant: { type: 'data_cloud', source: 'crm' } })
  const { look, calls } = replica({ integration })
  t.equal(look(lease), 'unknown')
  t.same(calls, [])
})
