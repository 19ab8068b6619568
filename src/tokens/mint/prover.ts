/** Real mints that prove a credential. */
import type { Runtime } from '../../runtime/runtime.ts'
import type { Lease } from '../serve/lease.ts'
import { proofTriesOf } from './candidates.ts'
import type { LeaseRecords } from './lease-records.ts'
import type { Logins } from './logins.ts'
import { DEADLINE_MS } from './mint-coordinator.ts'

export interface CredentialProver {
  /** A mint with just this credential, charged like any other. `once`: one request decides; `repeatedly`: a change in Salesforce may still be spreading. Undefined: the credential is good, and there is no token to show. */
  prove(name: string, credentialId: string, how: 'once' | 'repeatedly'): Promise<Lease | undefined>
  /** Makes the token of a proof the lease, where it is another one. Never throws. */
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
        // Automatic proofs are rare; proofs that an operator asks for must leave logins to mints.
        charge: async () =>
          entry && logins.charge(entry.integration, subject, isRepeated ? 'proof' : undefined),
        deadlineAt: runtime.monotonic() + DEADLINE_MS,
        tries: isRepeated ? proofTriesOf(hasWorked) : 1,
      })
    },
    adopt: records.adopt,
  }
}
