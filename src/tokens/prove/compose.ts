/** Composes what signs proofs for callers. Experimental. */
import type { Runtime } from '../../runtime/runtime.ts'
import {
  createProofPermission,
  type ProofPermission,
  type ProofPermissionDependencies,
} from './proof-permission.ts'
import {
  createProofSigner,
  type ProofSigner,
  type ProofSignerDependencies,
} from './proof-signer.ts'

export interface ProofParts {
  readonly signer: ProofSigner
  readonly permission: ProofPermission
}

interface ProofsDependencies
  extends Pick<ProofSignerDependencies, 'audit' | 'meter'>,
    Pick<ProofPermissionDependencies, 'known'> {
  readonly salesforce: Pick<ProofSignerDependencies, 'nonces'> & {
    readonly clock: { aheadMs(host: string): number }
  }
  readonly signers: ProofSignerDependencies['signers']
  readonly runtime: Pick<Runtime, 'now' | 'uniqueId'>
}

export function composeProofs(dependencies: ProofsDependencies): ProofParts {
  const { salesforce, signers, runtime, audit, meter, known } = dependencies
  const { now, uniqueId } = runtime
  const { nonces, clock } = salesforce
  const nowAt = (host: string) => now() + clock.aheadMs(host)
  return {
    signer: createProofSigner({ nonces, nowAt, uniqueId, signers, audit, meter }),
    permission: createProofPermission({ known, meter }),
  }
}
