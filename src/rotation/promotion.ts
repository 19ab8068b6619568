/** The flip: a staged or retired credential becomes the active one, in one compare-and-set write. */

import { isDeepStrictEqual } from 'node:util'
import type { Actor, AuditEntry } from '../audit/event.ts'
import { activeOf, type Credential, keepSecrets, promoted } from '../credentials/credential.ts'
import { BrokerError } from '../errors/errors.ts'
import { grantOf } from '../grants/index.ts'
import { refusalMember, refusalOf, remedyIn } from '../grants/refusals/refusals.ts'
import { clientIdOf, digestsOf, type Integration } from '../integrations/integration.ts'
import type { IntegrationStore, SealedIntegration } from '../integrations/integration-store.ts'
import { checkIfMatch, type Preconditions } from '../integrations/preconditions.ts'
import type { Authorise } from '../integrations/references/visible.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import type { Outcomes } from '../store/store.ts'
import { isSignatureRefusal } from '../tokens/mint/candidates.ts'
import { refusedActivation } from '../tokens/mint/credential-refusal.ts'
import type { PromotionHooks } from '../tokens/mint/mint.ts'
import type { CredentialProver } from '../tokens/mint/prover.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import type { Followers } from './followers.ts'

export interface Activation {
  /** Proves the credential by a real mint first. */
  readonly prove: boolean
  /** Asked about the very record that is replaced: before the proof, and before the flip. */
  readonly authorise: Authorise
  readonly preconditions: Preconditions
  readonly by: Actor
}

export interface Promotion extends PromotionHooks {
  /** The caller audits it. Throws `credential_not_found`, `credential_state`, `credential_rejected` with the refusal, `integration_changed`, and what a mint throws. */
  activate(name: string, credentialId: string, activation: Activation): Promise<Integration>
}

export interface PromotionDependencies {
  readonly store: Pick<IntegrationStore, 'readSealed' | 'change'>
  readonly outcomes: Pick<Outcomes, 'forgetRefusal'>
  readonly followers: Followers
  readonly prover: CredentialProver
  readonly onActiveRefused: (owner: Integration) => void
  readonly audit: { background(by: Actor, happening: AuditEntry): void }
  readonly runtime: Runtime
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** A flip by itself that loses this many races leaves it to the next mint. */
const ATTEMPTS = 3
/** Who flips by itself. */
const BROKER: Actor = { principal: null, requestId: 'rotation' }

export function createPromotion(dependencies: PromotionDependencies): Promotion {
  const { store, outcomes, followers, prover, onActiveRefused, audit, runtime, log } = dependencies
  const { now } = runtime

  /** FLIP. Undefined: the integration was changed meanwhile. */
  const flip = async (
    sealed: SealedIntegration,
    credentials: readonly Credential[],
  ): Promise<Integration | undefined> => {
    const { integration } = sealed
    const changed = { ...integration, credentials, updatedAt: now() }
    const owner = await store.change(integration, {
      integration: changed,
      digests: digestsOf(changed, credentials),
      secrets: keepSecrets(await sealed.open(), credentials),
    })
    if (!owner) return undefined
    const credentialId = activeOf(credentials)?.id
    log.info({ integration: owner.name, credentialId }, 'a credential became active')
    await followers.follow(owner)
    return owner
  }

  /** Undefined: lost a race. False: there is nothing to flip any more. */
  const attempt = async (tried: Integration, stagedId: string): Promise<boolean | undefined> => {
    const sealed = await store.readSealed(tried.name)
    if (!sealed || !mayFlip(sealed.integration, tried, stagedId)) return false
    const { integration } = sealed
    const credentials = promoted(integration.credentials, stagedId, ownClientOf(integration), now())
    const owner = credentials && (await flip(sealed, credentials))
    if (!owner) return undefined
    audit.background(BROKER, {
      action: 'credential.activated',
      integration: owner.name,
      detail: { credential: stagedId },
    })
    return true
  }

  const proven = async (
    name: string,
    credential: Credential,
    by: Actor,
  ): Promise<Lease | undefined> => {
    const { id } = credential
    try {
      return await prover.prove(name, id, 'patiently')
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
    async promote(tried, stagedId) {
      const { name: integration } = tried
      try {
        for (let tries = 0; tries < ATTEMPTS; tries += 1) {
          if ((await attempt(tried, stagedId)) !== undefined) return
        }
        log.warn({ integration }, 'a credential could not be made active yet')
      } catch (error) {
        log.warn({ err: error, integration }, 'a credential could not be made active yet')
      }
    },

    activeRefused: onActiveRefused,
    outdated: ({ name }) => followers.adopt(name),

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
      const lease = isProven ? await proven(name, chosen, by) : undefined
      // Anew: the proof takes its time, and the fallback's begins with the flip.
      const credentials = promoted(integration.credentials, credentialId, own, now())
      await authorise(name, integration)
      const owner = sealed && credentials && (await flip(sealed, credentials))
      if (!owner) {
        throw new BrokerError('integration_changed', 'The integration was changed meanwhile')
      }
      await outcomes.forgetRefusal(name)
      if (lease) await prover.adopt(lease, by)
      return owner
    },
  }
}

const ownClientOf = ({ grant }: Integration) => ({ clientId: grant.clientId ?? null })

/** Is the staged one still what was tried, beside the very active one that was refused, of the same client, and at the same place? */
function mayFlip(integration: Integration, tried: Integration, stagedId: string): boolean {
  const { credentials } = integration
  const staged = credentials.find(({ id, state }) => id === stagedId && state === 'staged')
  const active = activeOf(credentials)
  return (
    staged !== undefined &&
    active !== undefined &&
    integration.uid === tried.uid &&
    active.id === activeOf(tried.credentials)?.id &&
    integration.loginUrl === tried.loginUrl &&
    isDeepStrictEqual(integration.grant, tried.grant) &&
    clientIdOf(integration, staged) === clientIdOf(integration, active)
  )
}
