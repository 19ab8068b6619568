/** The one write of an integration's credentials: read, decide, compare-and-set, audit. Then the integrations that sign with them follow. */

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
  /** Default: the current secrets, without those of removed credentials. */
  readonly secrets?: CredentialSecrets
  /** Credentials that the integration signs with. Default: `credentials`. */
  readonly signsWith?: readonly Credential[]
  /** Absent: an automatic change, which keeps the time. */
  readonly updatedAt?: number
  /** Whether the integrations that sign with these credentials are also written. */
  readonly isFollowed?: boolean
  /** Absent: the caller audits the change. */
  readonly audited?: { readonly by: Actor; readonly entry: AuditEntry }
}

export type CredentialWriter = ReturnType<typeof createCredentialWriter>

type Decision<Change> = Change | undefined

interface Changed<Change> {
  readonly integration: Integration
  readonly change: Change
}

/** The actor of automatic promotions. */
const BROKER: Actor = { principal: null, requestId: 'rotation' }
const NOT_YET = 'an integration could not yet follow a change of the credential that it uses'

export function createCredentialWriter(dependencies: {
  readonly store: Pick<IntegrationStore, 'read' | 'readSealed' | 'list' | 'change'>
  readonly audit: { background(by: Actor, entry: AuditEntry): void }
  readonly runtime: Pick<Runtime, 'now'>
  readonly log: Pick<Log, 'info' | 'warn'>
}) {
  const { store, audit, runtime, log } = dependencies

  /** Writes the change if the integration did not change since it was read. Undefined: it did. */
  const write = async (sealed: SealedIntegration, change: CredentialChange) => {
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

  /** Reads the integration and writes the result of `decide`. Does so again after a lost race. Undefined: `decide` returned no change. Throws `conflict`, and what `decide` throws. */
  const change = <Change extends CredentialChange>(
    name: string,
    decide: (sealed: SealedIntegration | undefined) => Decision<Change> | Promise<Decision<Change>>,
  ): Promise<Changed<Change> | undefined> =>
    untilWritten(`integration ${name}`, async () => {
      const sealed = await store.readSealed(name)
      const change = await decide(sealed)
      if (!sealed || !change) return undefined
      const integration = await write(sealed, change)
      return integration ? { integration, change } : 'lost'
    })

  /** Updates the client and the certificate of an integration that signs with another's credentials. Never throws: if it fails, the next mint does it. Reads the owner again for each try, so that a later change of the owner is never undone. */
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

  /** The followers change at once: another client changes their digests, and the remembered refusals of the old key are deleted. */
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

  /** Makes the staged credential active after Salesforce refused the signature of the active credential of `tried` and accepted the staged one. Never throws: if it fails, the next mint does it. */
  const promote = async (tried: Integration, stagedId: string): Promise<void> => {
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

/** Whether nothing relevant changed since the mint: the refused credential is still active, the staged one is the one that worked, and client and login URL are the same. */
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
