/** Proves a credential by a real mint. */
import type { Runtime } from '../../runtime/runtime.ts'
import type { Lease } from '../serve/lease.ts'
import type { LeaseRecords } from './lease-records.ts'
import type { Logins } from './logins.ts'
import { DEADLINE_MS } from './mint-coordinator.ts'
import { proofTriesOf } from './retry.ts'

export interface CredentialProver {
  /** A mint with this credential only, charged as usual. `once`: one request decides. `repeatedly`: propagation at Salesforce may not be complete. Undefined: the credential works, but there is no token. */
  prove(name: string, credentialId: string, how: 'once' | 'repeatedly'): Promise<Lease | undefined>
  /** Makes the token of a proof the lease, if it is a new token. Never throws. */
  readonly adopt: LeaseRecords['adopt']
}

interface ProverDependencies {
  readonly records: Pick<LeaseRecords, 'look' | 'adopt'>
  readonly logins: Pick<Logins, 'charge' | 'prove' | 'subjectOf'>
  readonly runtime: Pick<Runtime, 'monotonic'>
}

export function createProver({ records, logins, runtime }: ProverDependencies): CredentialProver {
  return {
    async prove(name, credentialId, how) {
      const entry = await records.look(name)
      const subject = entry && (await logins.subjectOf(entry.integration))
      const isRepeated = how === 'repeatedly'
      const hasWorked = subject !== undefined && entry?.refusal === undefined
      return logins.prove(name, credentialId, {
        // Automatic proofs are rare, but proofs by operators must leave logins for mints.
        charge: async () =>
          entry && logins.charge(entry.integration, subject, isRepeated ? 'proof' : undefined),
        deadlineAt: runtime.monotonic() + DEADLINE_MS,
        tries: isRepeated ? proofTriesOf(hasWorked) : 1,
      })
    },
    adopt: records.adopt,
  }
}
