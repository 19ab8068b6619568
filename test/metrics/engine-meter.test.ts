import t from 'tap'
import { BrokerError } from '../../src/errors/errors.ts'
import { createEngineMeter, type EngineMeterDependencies } from '../../src/metrics/engine-meter.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'
import type { Signer, TokenRequester } from '../../src/tokens/serve/token-request.ts'
import { integrationOf } from '../support/integrations.ts'

const integration = integrationOf({ grant: { type: 'jwt_bearer' } })

/** What is counted of one request, whose budget and whose answer take their time. */
async function counted(charge: () => Promise<void>, answer: () => Promise<Lease>) {
  let clock = 0
  const mints: unknown[] = []
  const seconds: number[] = []
  const metrics: EngineMeterDependencies['metrics'] = {
    counter: (name, ...[labels]) => ({
      add() {
        if (name === 'valetkey_mints_total') mints.push(labels)
      },
    }),
    histogram: (name, ..._labels) => ({
      observe(value) {
        if (name === 'valetkey_mint_duration_seconds') seconds.push(value)
      },
    }),
  }
  const requester: Partial<TokenRequester> = {
    async request(_integration, _signer, charged) {
      clock += 1_000
      await charged()
      clock += 300
      return answer()
    },
  }
  const meter = createEngineMeter({ metrics, monotonic: () => clock })
  const request = meter.requester(requester as TokenRequester).request
  await request(integration, {} as Signer, charge).catch((error: unknown) => {
    if (!(error instanceof BrokerError)) throw error
  })
  return { mints, seconds }
}

const allowed = async () => undefined
const refused = async () => {
  throw new BrokerError('login_budget_exhausted', 'empty')
}

t.test('a login is timed from when it was allowed', async (t) => {
  const { mints, seconds } = await counted(allowed, async () => ({}) as Lease)
  t.same(mints, [{ grant: 'jwt_bearer', outcome: 'granted' }])
  t.same(seconds, [0.3])
})

t.test('a login that fails is one', async (t) => {
  const { mints, seconds } = await counted(allowed, async () => {
    throw new BrokerError('salesforce_unavailable', 'away')
  })
  t.same(mints, [{ grant: 'jwt_bearer', outcome: 'unavailable' }])
  t.same(seconds, [0.3])
})

t.test('one that was not allowed is none', async (t) => {
  const { mints, seconds } = await counted(refused, async () => ({}) as Lease)
  t.same(mints, [])
  t.same(seconds, [])
})
