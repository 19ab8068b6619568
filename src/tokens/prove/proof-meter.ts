/** Counts proofs and their refusals, for metrics and for who writes patterns. */
import { PATTERN_REFUSALS } from '../../callers/proof-pattern.ts'
import type { Lease } from '../serve/lease.ts'
import { URL_REFUSALS } from './asked-request.ts'

/** Why a proof is refused, with the end of a sentence that begins with the request. */
export const PROOF_REFUSALS = { ...URL_REFUSALS, ...PATTERN_REFUSALS } as const

export type ProofRefusal = keyof typeof PROOF_REFUSALS

/** `method` and `path` without the query. */
interface ProvenPath {
  readonly method: string
  readonly path: string
}

export interface ProofMeter {
  signed(principalId: string, lease: Pick<Lease, 'integration' | 'uid'>, of: ProvenPath): void
  /** `of`: absent if the request can be read in several ways, or the integration is unknown here. */
  refused(
    principalId: string,
    refusal: ProofRefusal,
    of?: ProvenPath & { readonly lease: Pick<Lease, 'integration' | 'uid'> },
  ): void
}
