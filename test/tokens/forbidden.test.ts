/** What is looked up before a request is refused: nothing that tells whether there is such an integration. */

import t from 'tap'
import type { Permit, Principal } from '../../src/callers/policy.ts'
import { visibleIntegration } from '../../src/integrations/references/visible.ts'
import { type BrokerDependencies, createBroker } from '../../src/tokens/serve/broker.ts'
import type { Entry } from '../../src/tokens/serve/lease-cache.ts'
import { entryOf, integrationOf } from '../support/integrations.ts'
import { NO_FREEZES } from '../support/no-freezes.ts'
import { partOf } from '../support/part.ts'

const FORBIDDEN = { code: 'caller_forbidden' }
const NAMES = ['there', 'never'] as const
const integration = integrationOf({ name: 'there', labels: { owner: 'them' } })

const principalWith = (permit: Pick<Permit, 'integrations' | 'labels'>): Principal => ({
  ...{ id: 'api-key:me', kind: 'api_key', name: 'me' },
  permits: [
    { permission: 'tokens:read', ...permit },
    { permission: 'integrations:read', ...permit },
  ],
})
const byName = principalWith({ integrations: ['mine-*'], labels: {} })
const byLabels = principalWith({ integrations: ['*'], labels: { owner: 'me' } })

t.test('whom its name forbids nothing is looked up, whom its labels forbid one is', async (t) => {
  for (const [principal, count] of [
    [byName, 0],
    [byLabels, 1],
  ] as const) {
    for (const name of NAMES) {
      const reads: string[] = []
      const read = async (asked: string) => {
        reads.push(asked)
        return asked === 'there' ? integration : undefined
      }
      const permission = 'integrations:read'
      await t.rejects(
        visibleIntegration(name, { integrations: { read }, principal, permission }),
        FORBIDDEN,
      )
      t.equal(reads.length, count, name)
    }
  }
})

t.test('a token in memory is refused no sooner than one that is nowhere', async (t) => {
  const entry = entryOf({ integration })
  for (const [principal, count] of [
    [byName, 0],
    [byLabels, 1],
  ] as const) {
    for (const name of NAMES) {
      const found: (Entry | undefined)[] = []
      const broker = createBroker(
        partOf<BrokerDependencies>({
          reader: partOf<BrokerDependencies['reader']>({
            freezes: NO_FREEZES,
            trusted: (asked: string) => (asked === 'there' ? entry : undefined),
            async read(asked: string) {
              found.push(asked === 'there' ? entry : undefined)
              return { entry: found.at(-1), isDegraded: false }
            },
          }),
        }),
      )
      const ask = async () => broker.lease(name, principal, { minTtlMs: 0, requestId: 'r' })
      await t.rejects(ask, FORBIDDEN)
      t.same(found, Array(count).fill(undefined), `${name}: it looks for what is not there`)
    }
  }
})
