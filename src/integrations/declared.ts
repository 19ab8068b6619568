/** Integrations that the configuration file declares: applied at each reading of it, and owned by it. */

import { activeOf, NO_SECRETS } from '../credentials/credential.ts'
import type { CredentialInput, FreshCredential, Intake } from '../credentials/intake.ts'
import { BrokerError, isStoreTrouble } from '../errors/errors.ts'
import { grantOf } from '../grants/index.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import type { Emitter } from '../runtime/events.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { untilWritten } from '../store/compare-and-set.ts'
import {
  checkGrant,
  compose,
  definitionOf,
  type GrantTrouble,
  type IntegrationInput,
  isSameDefinition,
  wasActive,
} from './composition.ts'
import { credentialsToErase } from './credentials-to-erase.ts'
import { checkDefinition } from './definition-rules.ts'
import { everyIntegration } from './every.ts'
import type { Definition, Integration } from './integration.ts'
import type { IntegrationEvents } from './integration-events.ts'
import type { IntegrationStore, SealedIntegration } from './integration-store.ts'
import { isLentAnew, servesInside, wouldServeInside } from './references/lending.ts'
import {
  checkDeclaredSource,
  checkNoCircle,
  hasOtherTokens,
  isNarrowed,
} from './references/token-source.ts'

interface Declaration {
  readonly name: string
  readonly input: IntegrationInput
}

/** The result for one integration. */
export interface Applied {
  readonly name: string
  readonly result: 'created' | 'changed' | 'unchanged' | 'disabled' | 'released' | 'removed'
  /** The integration whose credential was lent to it by this. */
  readonly lentBy?: string
  /** Why it was disabled. */
  readonly error?: BrokerError
}

export interface DeclaredIntegrations {
  /** Idempotent. An entry that is wrong disables its integration alone. Throws `store_unavailable`. */
  apply(declaration: Declaration): Promise<Applied>
  /** For an entry that cannot be applied. Where there is no integration yet, a disabled one without credential stands in for it, if `input` allows. */
  disable(name: string, error: BrokerError, input?: IntegrationInput): Promise<Applied>
  /** Those of the file that are not in `names` any more are given to the API, or removed. */
  release(names: ReadonlySet<string>, prune: boolean): Promise<readonly Applied[]>
}

interface DeclaredDependencies {
  readonly store: IntegrationStore
  readonly intake: Intake
  readonly hosts: HostRules
  /** Why this service cannot speak a grant as it is set up. Default: it can. */
  readonly grantTrouble?: GrantTrouble
  readonly events: Pick<Emitter<IntegrationEvents>, 'emitted'>
  readonly runtime: Pick<Runtime, 'now' | 'uniqueId'>
  /** Ends the tokens of an integration that is about to be removed. */
  readonly revoke: (integration: Integration) => Promise<void>
}

export function createDeclaredIntegrations(
  dependencies: DeclaredDependencies,
): DeclaredIntegrations {
  const { store, intake, hosts, grantTrouble, events, runtime, revoke } = dependencies

  const write = async (
    name: string,
    sealed: SealedIntegration | undefined,
    definition: Definition,
    fresh: FreshCredential | undefined,
    owner: Integration | undefined,
    managedBy: Integration['managedBy'] = 'file',
  ): Promise<Integration | undefined> => {
    const current = sealed?.integration
    const secrets = sealed ? await sealed.open() : NO_SECRETS
    const staysBehind = current && credentialsToErase(definition, current, hosts)
    const written = compose(
      {
        ...{ name, definition, managedBy, current, secrets, fresh, owner },
        // The active one is what the file means, where it gives no other.
        isToErase: (one) =>
          staysBehind?.(one) === true && (fresh !== undefined || one.state !== 'active'),
      },
      runtime,
    )
    return current ? store.change(current, written) : store.create(written)
  }

  /** A credential that was ever active here changes nothing: a rotation through the API is not undone. One that is to be generated is made once. */
  const freshFor = async (
    { name, input }: Declaration,
    sealed: SealedIntegration | undefined,
    given: FreshCredential | undefined,
  ): Promise<FreshCredential | undefined> => {
    if (input.credential?.generate) {
      const needed = grantOf(input.grant.type).credentialType(input.grant)
      const isThere = sealed && activeOf(sealed.integration.credentials)
      return isThere ? undefined : intake.take(input.credential, needed, name)
    }
    if (!given || !sealed) return given
    return wasActive(given, await sealed.open()) ? undefined : given
  }

  const taken = async ({ name, input }: Declaration): Promise<FreshCredential | undefined> => {
    const { credential, grant } = input
    if (!credential || credential.from !== undefined || credential.generate) return undefined
    return intake.take(credential, grantOf(grant.type).credentialType(grant), name, {
      expiredIsWarning: true,
    })
  }

  const ownerOf = async (from: string | null): Promise<Integration | undefined> => {
    if (from === null) return undefined
    const owner = await store.read(from)
    if (!owner || owner.credentialFrom !== null) {
      throw new BrokerError('credential_invalid', `from: ${from} has no credential of its own`)
    }
    return owner
  }

  const attempt = async (
    declaration: Declaration,
    given: FreshCredential | undefined,
  ): Promise<Applied | undefined> => {
    const { name, input } = declaration
    const sealed = await store.readSealed(name)
    const current = sealed?.integration
    const definition = definitionOf(
      { ...input, credential: input.credential ?? NO_CREDENTIAL },
      hosts,
      current,
    )
    checkDefinition(definition, current)
    const fresh = await freshFor(declaration, sealed, given)
    const owner = await ownerOf(definition.credentialFrom)
    if (owner && servesInside(definition, owner)) throw wouldServeInside()
    await checkNoCircle(name, definition, store.read)
    await checkDeclaredSource(definition, store.read)
    const isSame = current?.managedBy === 'file' && isSameDefinition(definition, current)
    if (isSame && !fresh) return { name, result: 'unchanged' }
    const integration = await write(name, sealed, definition, fresh, owner)
    if (current && integration) {
      const isOther = hasOtherTokens(current, integration) || isNarrowed(current, integration)
      if (isOther) await events.emitted('integration.tokens_changed', name)
    }
    const isLent = owner && isLentAnew(definition, current)
    return (
      integration && {
        ...{ name, result: current ? 'changed' : 'created' },
        ...(isLent && { lentBy: owner.name }),
      }
    )
  }

  const withRetries = (work: () => Promise<Applied | undefined>): Promise<Applied> =>
    untilWritten('the integration', async () => (await work()) ?? 'lost')

  const disable = (name: string, error: BrokerError, input?: IntegrationInput): Promise<Applied> =>
    withRetries(async () => {
      const applied: Applied = { name, result: 'disabled', error }
      const sealed = await store.readSealed(name)
      const current = sealed?.integration
      if (current && (current.managedBy !== 'file' || !current.enabled)) return applied
      const definition = current ?? (input && standIn(input))
      if (!definition) return applied
      const owner = await ownerOf(definition.credentialFrom)
      const written = { ...definition, enabled: false }
      return (await write(name, sealed, written, undefined, owner)) && applied
    })

  const standIn = (input: IntegrationInput): Definition | undefined => {
    try {
      return definitionOf({ ...input, credential: NO_CREDENTIAL }, hosts, undefined)
    } catch (error) {
      if (error instanceof BrokerError) return undefined
      throw error
    }
  }

  return {
    apply: (declaration) =>
      unlessWrong(declaration.name, async () => {
        try {
          checkGrant(declaration.input.grant, grantTrouble)
          const given = await taken(declaration)
          return await withRetries(() => attempt(declaration, given))
        } catch (error) {
          return disable(declaration.name, wrongOf(error), declaration.input)
        }
      }),
    disable: (name, error, input) => unlessWrong(name, () => disable(name, error, input)),
    async release(names, prune) {
      const applied: Applied[] = []
      for await (const { name, managedBy } of everyIntegration(store)) {
        if (managedBy !== 'file' || names.has(name)) continue
        const end = () => (prune ? remove(name) : letGo(name))
        applied.push(await unlessWrong(name, () => withRetries(end)))
      }
      return applied
    },
  }

  async function letGo(name: string): Promise<Applied | undefined> {
    const sealed = await store.readSealed(name)
    if (sealed?.integration.managedBy !== 'file') return { name, result: 'unchanged' }
    const owner = await ownerOf(sealed.integration.credentialFrom)
    const integration = await write(name, sealed, sealed.integration, undefined, owner, 'api')
    return integration && { name, result: 'released' }
  }

  async function remove(name: string): Promise<Applied | undefined> {
    const current = await store.read(name)
    if (!current) return { name, result: 'unchanged' }
    await revoke(current)
    return (await store.remove(current)) ? { name, result: 'removed' } : undefined
  }
}

/** What is wrong with one integration; anything else concerns all of them, and is thrown. */
function wrongOf(error: unknown): BrokerError {
  if (error instanceof BrokerError && !isStoreTrouble(error)) return error
  throw error
}

/** A record that cannot even be disabled, since it does not open, must not keep the others waiting. */
async function unlessWrong(name: string, work: () => Promise<Applied>): Promise<Applied> {
  try {
    return await work()
  } catch (error) {
    return { name, result: 'disabled', error: wrongOf(error) }
  }
}

/** In a file, a credential that is left out is none of another integration; its own stays. */
const NO_CREDENTIAL: CredentialInput = {}
