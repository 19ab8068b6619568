/** The flip: a staged or retired credential becomes the active one, in one compare-and-set write. */
import type { Actor, Happening } from '../audit/event.ts'
import { type Credential, promoted } from '../credentials/credential.ts'
import { BrokerError } from '../errors.ts'
import { refusalOf } from '../grants/refusals.ts'
import { digestsOf, type Integration } from '../integrations/integration.ts'
import type { IntegrationStore, SealedIntegration } from '../integrations/integration-store.ts'
import { checkIfMatch, type Preconditions } from '../integrations/preconditions.ts'
import type { Outcomes } from '../store/store.ts'
import type { Lease } from '../tokens/lease.ts'
import type { PromotionHooks } from '../tokens/mint.ts'

export interface Activation {
  /** Proves the credential by a real mint first. */
  readonly prove: boolean
  readonly preconditions: Preconditions
  readonly by: Actor
}

export interface Promotion extends PromotionHooks {
  /** Throws `credential_not_found`, `credential_state`, `credential_rejected` with the refusal, `integration_changed`, and what a mint throws. */
  activate(name: string, credentialId: string, activation: Activation): Promise<Integration>
}

export interface PromotionDependencies {
  readonly store: IntegrationStore
  readonly outcomes: Pick<Outcomes, 'forgetRefusal'>
  /** A real mint with just this credential. */
  readonly prove: (name: string, credentialId: string) => Promise<Lease>
  /** The token of the proof, for the lease. Must not throw. */
  readonly onProven: (lease: Lease, by: Actor) => Promise<void>
  readonly onActiveRefused: (owner: Integration) => void
  readonly audit: { background(by: Actor, happening: Happening): void }
  readonly now: () => number
  readonly log: {
    info(bindings: object, message: string): void
    warn(bindings: object, message: string): void
  }
}

/** A flip by itself that loses this many races leaves it to the next mint. */
const ATTEMPTS = 3
const READ_LIMIT = 1_000
/** Who flips by itself. */
const BROKER: Actor = { principal: null, requestId: 'rotation' }

export function createPromotion(dependencies: PromotionDependencies): Promotion {
  const { store, outcomes, prove, onProven, onActiveRefused, audit, now, log } = dependencies

  /** FLIP. Undefined: the integration was changed meanwhile. */
  const flip = async (
    sealed: SealedIntegration,
    credentials: readonly Credential[],
  ): Promise<Integration | undefined> => {
    const { integration } = sealed
    const changed = { ...integration, credentials, updatedAt: now() }
    return store.change(integration, {
      integration: changed,
      digests: digestsOf(changed, credentials),
      secrets: await sealed.open(),
    })
  }

  const flipped = async (owner: Integration, id: string, by: Actor): Promise<void> => {
    const { name: integration } = owner
    audit.background(by, {
      action: 'credential.activated',
      integration,
      detail: { credential: id },
    })
    log.info({ integration, credential: id }, 'a credential became active')
    await follow(owner)
  }

  /** What signs with it follows at once: other clients make other digests, and refusals of the old key are forgotten. */
  const follow = async (owner: Integration): Promise<void> => {
    let after: string | undefined
    do {
      const page = await store.list({ limit: READ_LIMIT, ...(after !== undefined && { after }) })
      for (const { name, credentialFrom } of page.items) {
        if (credentialFrom === owner.name) await adopt(name, owner)
      }
      after = page.next ?? undefined
    } while (after !== undefined)
  }

  const adopt = async (name: string, owner: Integration): Promise<void> => {
    for (let tries = 0; tries < ATTEMPTS; tries += 1) {
      const sealed = await store.readSealed(name)
      if (sealed?.integration.credentialFrom !== owner.name) return
      const { integration } = sealed
      const changed = await store.change(integration, {
        integration,
        digests: digestsOf(integration, owner.credentials),
        secrets: await sealed.open(),
      })
      if (changed) return
    }
    log.warn(
      { integration: name },
      'an integration could not follow the rotation of its credential',
    )
  }

  const attempt = async (name: string, stagedId: string): Promise<boolean> => {
    const sealed = await store.readSealed(name)
    const staged = sealed?.integration.credentials.find(({ id }) => id === stagedId)
    if (!sealed || staged?.state !== 'staged') return true
    const former = { clientId: sealed.integration.grant.clientId ?? null }
    const credentials = promoted(sealed.integration.credentials, stagedId, former, now())
    const owner = credentials && (await flip(sealed, credentials))
    if (owner) await flipped(owner, stagedId, BROKER)
    return owner !== undefined
  }

  const proven = async (name: string, id: string): Promise<Lease> => {
    try {
      return await prove(name, id)
    } catch (error) {
      const refusal = refusalOf(error)
      if (!(error instanceof BrokerError) || !refusal) throw error
      audit.background(BROKER, {
        action: 'credential.rejected',
        integration: name,
        outcome: 'refused',
        detail: { credential: id, reason: refusal.reason },
      })
      throw new BrokerError('credential_rejected', refusal.cause, {
        cause: error,
        members: error.members,
      })
    }
  }

  return {
    async promote({ name }, stagedId) {
      try {
        for (let tries = 0; tries < ATTEMPTS; tries += 1) {
          if (await attempt(name, stagedId)) return
        }
        log.warn({ integration: name }, 'a credential could not be made active yet')
      } catch (error) {
        log.warn({ err: error, integration: name }, 'a credential could not be made active yet')
      }
    },

    activeRefused: onActiveRefused,

    async activate(name, credentialId, { prove: isProven, preconditions, by }) {
      const sealed = await store.readSealed(name)
      if (!sealed) {
        throw new BrokerError('integration_not_found', 'There is no integration of this name')
      }
      const { integration } = sealed
      checkIfMatch(preconditions, integration)
      if (!integration.credentials.some(({ id }) => id === credentialId)) {
        throw new BrokerError('credential_not_found', 'There is no credential with this id')
      }
      const former = { clientId: integration.grant.clientId ?? null }
      const credentials = promoted(integration.credentials, credentialId, former, now())
      if (!credentials) {
        throw new BrokerError(
          'credential_state',
          'Only a staged or a retired credential is activated',
        )
      }
      const lease = isProven ? await proven(name, credentialId) : undefined
      const owner = await flip(sealed, credentials)
      if (!owner) {
        throw new BrokerError('integration_changed', 'The integration was changed meanwhile')
      }
      await outcomes.forgetRefusal(name)
      await flipped(owner, credentialId, by)
      if (lease) await onProven(lease, by)
      return owner
    },
  }
}
