/** Metrics of signers. */
import type { MetricTable } from './registry.ts'

/** Most signers with series of their own. */
const SIGNERS = 50

export const SIGNER_METRICS = {
  valetkey_signatures_total: {
    type: 'counter',
    help: 'Signatures that this replica asked a signer for. Those that were refused at once while the signer rests do not count.',
    labels: {
      signer: { text: 'Its name in the file of `VALETKEY_SIGNERS`' },
      outcome: { values: ['signed', 'refused', 'unavailable'] },
    },
    atMost: 3 * SIGNERS,
  },
  valetkey_signature_duration_seconds: {
    type: 'histogram',
    help: 'Duration of a signature by a signer, with the wait for its turn.',
    labels: { signer: { text: 'Its name in the file of `VALETKEY_SIGNERS`' } },
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3],
    atMost: SIGNERS,
  },
} as const satisfies MetricTable
