/** The one way in which the credentials of an integration change: read, decide, write by compare-and-set, audit; then those that sign with them follow. */

import { isDeepStrictEqual } from 'node:util'
import type { Actor, AuditEntry } from '../audit/event.ts'
import {
  activeOf,
  type Credential,
  type CredentialSecrets,
  keepSecrets,
  promoted,
} from '../credentials/credential.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { untilWritten } from '../store/compare-and-set.ts'
import { everyIntegration } from './every.ts'
import { clientIdOf, digestsOf, type Integration, ownClientOf } from './integration.ts'
import type { IntegrationStore, SealedIntegration } from './integration-store.ts'

interface CredentialChange {
  readonly credentials: readonly Credential[]
  /** Default: those that are held, without what belongs to no credential any more. */
  readonly secrets?: CredentialSecrets
  /** Credentials that the integration signs with. Default: `credentials`. */
  readonly signsWith?: readonly Credential[]
  /** Absent where nobody asked for the change. */
  readonly updatedAt?: number
  /** Whether those that sign with these credentials are written anew, too. */
  readonly isFollowed?: boolean
  /** Absent: the caller audits it. */
  readonly audited?: { readonly by: Actor; readonly entry: AuditEntry }
}

export interface CredentialWriter {
  /** One write over what was read. Undefined: the integration was changed meanwhile. */
  write(sealed: SealedIntegration, change: CredentialChange): Promise<Integration | undefined>
  /** Reads the integration, and writes what `decide` makes of it; again after a lost race. Undefined: there was nothing to change. Throws `conflict`, and what `decide` throws. */
  change<Change extends CredentialChange>(
    name: string,
    decide: (sealed: SealedIntegration | undefined) => Decision<Change> | Promise<Decision<Change>>,
  ): Promise<Changed<Change> | undefined>
  /** Salesforce refused the active credential of `tried` by its signature, and took the staged one: that becomes the active one. Never throws: the next mint does it else. */
  promote(tried: Integration, stagedId: string): Promise<void>
  /** An integration that signs with another's credentials takes over the client and the certificate of these. Never throws: what could not follow does so when it is next minted for. */
  follow(name: string): Promise<void>
}

type Decision<Change> = Change | undefined

interface Changed<Change> {
  readonly integration: Integration
  readonly change: Change
}

interface CredentialWriterDependencies {
  readonly store: Pick<IntegrationStore, 'read' | 'readSealed' | 'list' | 'change'>
  readonly audit: { background(by: Actor, entry: AuditEntry): void }
  readonly runtime: Pick<Runtime, 'now'>
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** The actor of automatic promotions. */
const BROKER: Actor = { principal: null, requestId: 'rotation' }
const NOT_YET = 'an integration could not yet follow a change of the credential that it uses'

export function createCredentialWriter(
  dependencies: CredentialWriterDependencies,
): CredentialWriter {
  const { store, audit, runtime, log } = dependencies

  const write: CredentialWriter['write'] = async (sealed, change) => {
    const { credentials, signsWith = credentials, updatedAt, isFollowed, audited } = change
    const { integration: current } = sealed
    const integration = { ...current, credentials, updatedAt: updatedAt ?? current.updatedAt }
    const written = await store.change(current, {
      integration,
      digests: digestsOf(integration, signsWith),
      secrets: keepSecrets(change.secrets ?? (await sealed.open()), credentials),
    })
    if (!written) return undefined
    const former = activeOf(current.credentials)
    const active = activeOf(credentials)
    if (former && active && former.id !== active.id) {
      const ids = { integration: written.name, credentialId: active.id }
      log.info(ids, 'a credential became active')
    }
    if (audited) audit.background(audited.by, audited.entry)
    if (isFollowed) await followAll(written.name)
    return written
  }

  const change: CredentialWriter['change'] = (name, decide) =>
    untilWritten(`integration ${name}`, async () => {
      const sealed = await store.readSealed(name)
      const change = await decide(sealed)
      if (!sealed || !change) return undefined
      const integration = await write(sealed, change)
      return integration ? { integration, change } : 'lost'
    })

  /** The owner is read anew each time, so that a later change of it is never undone. */
  const follow = async (integration: string): Promise<void> => {
    try {
      await change(integration, async (sealed) => {
        const from = sealed?.integration.credentialFrom
        const owner = from ? await store.read(from) : undefined
        return sealed && owner
          ? { credentials: sealed.integration.credentials, signsWith: owner.credentials }
          : undefined
      })
    } catch (error) {
      log.warn({ err: error, integration }, NOT_YET)
    }
  }

  /** They follow at once: other clients make other digests, and refusals of the old key are forgotten. */
  const followAll = async (owner: string): Promise<void> => {
    try {
      const names: string[] = []
      for await (const { name, credentialFrom } of everyIntegration(store)) {
        if (credentialFrom === owner) names.push(name)
      }
      for (const name of names) await follow(name)
    } catch (error) {
      log.warn({ err: error, integration: owner }, NOT_YET)
    }
  }

  const promote: CredentialWriter['promote'] = async (tried, stagedId) => {
    const { name } = tried
    try {
      await change(name, (sealed) => {
        const integration = sealed?.integration
        if (!integration || !mayPromote(integration, tried, stagedId)) return undefined
        const now = runtime.now()
        const own = ownClientOf(integration)
        const credentials = promoted(integration.credentials, stagedId, own, now)
        const detail = { credential: stagedId }
        const entry = { action: 'credential.activated', integration: name, detail } as const
        return (
          credentials && {
            ...{ credentials, updatedAt: now, isFollowed: true },
            audited: { by: BROKER, entry },
          }
        )
      })
    } catch (error) {
      log.warn({ err: error, integration: name }, 'a credential could not be made active yet')
    }
  }

  return { write, change, promote, follow }
}

/** Is the staged one still what was tried, beside the very active one that was refused, of the same client, and at the same place? */
function mayPromote(integration: Integration, tried: Integration, stagedId: string): boolean {
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
