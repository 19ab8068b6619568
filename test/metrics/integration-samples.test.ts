import t from 'tap'
import { BrokerError } from '../../src/errors/errors.ts'
import {
  createIntegrationSamples,
  type IntegrationSamplesDependencies,
} from '../../src/metrics/integration-samples.ts'
import { eventually } from '../support/eventually.ts'

/** Of a fleet without integrations. */
const samplesWith = (listing: Partial<IntegrationSamplesDependencies['store']['listing']>) =>
  createIntegrationSamples({
    integrations: { list: async () => ({ items: [], next: null }) },
    store: { listing } as IntegrationSamplesDependencies['store'],
    connectionOf: async () => undefined,
    isKnown: () => false,
    runtime: { monotonic: () => 1 },
    log: { info: () => undefined, warn: () => t.fail('the samples cannot be read') },
  })

t.test('an index that cannot be read keeps no other sample back', async (t) => {
  const samples = samplesWith({
    stale: () => Promise.reject(new BrokerError('store_unavailable', 'It takes no change')),
  })
  samples.refresh()
  const latest = await eventually(() => {
    const one = samples.latest()
    return one.at === undefined ? undefined : one
  })
  t.same(latest, { states: undefined, certificates: [], used: [], unsampled: 0, at: 1 })
  await samples.stop()
})

t.test('an index that is being built counts nothing', async (t) => {
  const isWhole = { isWhole: false, items: [], nextInMs: 0 }
  const samples = samplesWith({ stale: async () => isWhole })
  samples.refresh()
  await eventually(() => samples.latest().at !== undefined)
  t.equal(samples.latest().states, undefined)
  await samples.stop()
})
