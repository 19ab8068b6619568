/** Notes who asks for proofs for which requests. */
import type { ProofMeter, ProofRefusal } from '../tokens/prove/proof-meter.ts'
import { shapeOf } from './called-requests.ts'
import type { CallerCounts } from './caller-counts.ts'

export function createProofUsage({
  counts,
  count,
  now,
}: {
  readonly counts: Pick<CallerCounts, 'noteRequest'>
  /** For the metric. */
  readonly count: (result: 'signed' | ProofRefusal) => void
  readonly now: () => number
}): ProofMeter {
  return {
    signed(principal, lease, { method, path }) {
      count('signed')
      counts.noteRequest(
        { principal, method, path: shapeOf(path), outcome: 'permitted' },
        lease,
        now(),
      )
    },
    refused(principal, refusal, of) {
      count(refusal)
      // No pattern would permit it.
      if (!of || refusal === 'never') return
      const { method, path, lease } = of
      counts.noteRequest(
        { principal, method, path: shapeOf(path), outcome: 'refused' },
        lease,
        now(),
      )
    },
  }
}
