/** Metrics of proofs. */
import { PROOF_REFUSALS } from '../tokens/prove/proof-meter.ts'
import type { MetricTable } from './registry.ts'

export const PROOF_METRICS = {
  valetkey_proofs_total: {
    type: 'counter',
    help: 'Experimental. DPoP proofs that callers asked for, and why they were refused.',
    labels: { result: { values: ['signed', ...Object.keys(PROOF_REFUSALS)] } },
  },
} as const satisfies MetricTable
