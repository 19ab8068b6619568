/** Activation: an operator makes a staged or retired credential active, after a proof by a real mint. */
import type { Actor, AuditEntry } from '../audit/event.ts'
import { type Credential, promoted } from '../credentials/credential.ts'
import { BrokerError } from '../errors/errors.ts'
import { grantOf } from '../grants/index.ts'
import { refusalMember, refusalOf, remedyIn } from '../grants/refusals/refusals.ts'
import type { CredentialWriter } from '../integrations/credential-writer.ts'
import { type Integration, ownClientOf } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { checkIfMatch, type Preconditions } from '../integrations/preconditions.ts'
import type { Authorise } from '../integrations/references/visible.ts'
import type { Outcomes } from '../store/store.ts'
import { isSignatureRefusal } from '../tokens/mint/candidates.ts'
import { refusedActivation } from '../tokens/mint/credential-refusal.ts'
import type { CredentialProver } from '../tokens/mint/prover.ts'

interface ActivationRequest {
  /** Whether a real mint proves the credential first. `once`: by one request. */
  readonly prove: boolean | 'once'
  /** Checks the permission on the record that is replaced, before the proof and before the write. */
  readonly authorise: Authorise
  readonly preconditions: Preconditions
  readonly by: Actor
}

export interface Activation {
  /** The caller audits it. Throws `credential_not_found`, `credential_state`, `credential_rejected` with the refusal, `integration_changed`, and what a mint throws. */
  activate(name: string, credentialId: string, request: ActivationRequest): Promise<Integration>
}

export interface ActivationDependencies {
  readonly store: Pick<IntegrationStore, 'readSealed'>
  readonly credentials: Pick<CredentialWriter, 'write'>
  readonly outcomes: Pick<Outcomes, 'forgetRefusal'>
  readonly prover: CredentialProver
  readonly audit: { background(by: Actor, entry: AuditEntry): void }
  readonly now: () => number
}

export function createActivation(dependencies: ActivationDependencies): Activation {
  const { store, credentials: writer, outcomes, prover, audit, now } = dependencies

  const proven = async (
    name: string,
    credential: Credential,
    by: Actor,
    how: 'once' | 'repeatedly',
  ) => {
    const { id } = credential
    try {
      return await prover.prove(name, id, how)
    } catch (error) {
      const refusal = refusalOf(error)
      if (!(error instanceof BrokerError) || !refusal) throw error
      audit.background(by, {
        action: 'credential.rejected',
        integration: name,
        outcome: 'refused',
        detail: { credential: id, reason: refusal.reason },
      })
      const path = `/integrations/${name}/credentials/${id}`
      const told = isSignatureRefusal(error)
        ? refusedActivation(refusal, credential, path)
        : refusal
      throw new BrokerError('credential_rejected', told.cause, {
        cause: error,
        members: { ...error.members, refusal: refusalMember(told) },
        remedy: remedyIn(told),
      })
    }
  }

  return {
    async activate(name, credentialId, { prove: isProven, authorise, preconditions, by }) {
      const sealed = await store.readSealed(name)
      const integration = await authorise(name, sealed?.integration)
      const chosen = integration.credentials.find(({ id }) => id === credentialId)
      if (!chosen) {
        throw new BrokerError('credential_not_found', 'There is no credential with this id')
      }
      const needed = grantOf(integration.grant.type).credentialType(integration.grant)
      if (chosen.type !== needed) {
        throw new BrokerError('credential_state', `The grant needs a ${needed} by now`)
      }
      const own = ownClientOf(integration)
      if (!promoted(integration.credentials, credentialId, own, now())) {
        throw new BrokerError(
          'credential_state',
          'Only a staged or a retired credential is activated',
        )
      }
      checkIfMatch(preconditions, integration)
      const how = isProven === 'once' ? 'once' : 'repeatedly'
      const lease = isProven ? await proven(name, chosen, by, how) : undefined
      // Computed again: the proof took time, and the fallback period begins with the promotion.
      const credentials = promoted(integration.credentials, credentialId, own, now())
      await authorise(name, integration)
      const change = credentials && { credentials, updatedAt: now(), isFollowed: true }
      const owner = sealed && change && (await writer.write(sealed, change))
      if (!owner) {
        throw new BrokerError('integration_changed', 'The integration has changed')
      }
      await outcomes.forgetRefusal(name)
      if (lease) await prover.adopt(lease, by)
      return owner
    },
  }
}
