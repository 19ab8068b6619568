/** A mint with one credential, to see whether Salesforce takes it; and what becomes of its token. */

import type { Actor } from '../../audit/event.ts'
import type { TokenSubject } from '../../identity/subject.ts'
import type { Integration } from '../../integrations/integration.ts'
import type { Log } from '../../runtime/runtime.ts'
import type { Lease } from '../serve/lease.ts'
import type { Entry } from '../serve/lease-cache.ts'
import type { LeaseStore } from '../serve/lease-store.ts'
import { proofTriesOf } from './candidates.ts'
import type { LoginBudget } from './login-budget.ts'
import type { Minter } from './mint.ts'
import { DEADLINE_MS } from './mint-coordinator.ts'

export interface CredentialProver {
  /** A real mint with just this credential, charged like any other. `once`: one request, and its answer is the verdict; `patiently`: a change in Salesforce may still be spreading. Undefined: it is good, and there is no token to show. */
  prove(name: string, credentialId: string, how: 'once' | 'patiently'): Promise<Lease | undefined>
  /** Makes the token of a proof the lease, where it is another one. Never throws. */
  adopt(lease: Lease, by: Actor): Promise<void>
}

export interface ProverDependencies {
  readonly look: (name: string) => Promise<Entry | undefined>
  readonly subjectOf: (integration: Integration) => Promise<TokenSubject | undefined>
  readonly minter: Pick<Minter, 'prove'>
  readonly budget: LoginBudget
  readonly leases: Pick<LeaseStore, 'save'>
  /** Must not throw. */
  readonly onMinted: (lease: Lease, by: Actor) => void
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
  readonly log: Pick<Log, 'warn'>
}

export function createProver(dependencies: ProverDependencies): CredentialProver {
  const { look, subjectOf, minter, budget, leases, onMinted, monotonic, log } = dependencies
  return {
    async prove(name, credentialId, how) {
      const entry = await look(name)
      const subject = entry && (await subjectOf(entry.integration))
      const isPatient = how === 'patiently'
      const hasWorked = subject !== undefined && entry?.refusal === undefined
      return minter.prove(name, credentialId, {
        // What comes by itself comes seldom; what an operator asks for again and again must leave logins to mints.
        charge: async () =>
          entry && budget.charge(entry.integration, subject, isPatient ? 'proof' : undefined),
        deadlineAt: monotonic() + DEADLINE_MS,
        tries: isPatient ? proofTriesOf(hasWorked) : 1,
      })
    },
    async adopt(lease, by) {
      const { integration: name } = lease
      try {
        const entry = await look(name)
        if (!entry || entry.lease?.tokenId === lease.tokenId) return
        // Nobody reads it yet: its first reader marks it as in use.
        const dueAt = entry.integration.keepWarm ? lease.refreshAt : null
        const { saved } = await leases.save(lease, entry, dueAt)
        if (!saved) return
        onMinted(lease, by)
        // So that it serves from memory, should the store go away.
        await look(name)
      } catch (error) {
        log.warn({ err: error, integration: name }, 'the token of a proof could not be kept')
      }
    },
  }
}
