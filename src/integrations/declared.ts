/** Integrations that the configuration file declares and owns. They are applied each time the file is read. */

import { activeOf, type CredentialSecrets, NO_SECRETS } from '../credentials/credential.ts'
import type { CredentialInput } from '../credentials/credential-input.ts'
import type { FreshCredential } from '../credentials/fresh-credential.ts'
import type { Intake } from '../credentials/intake.ts'
import { textOfSources } from '../credentials/outside.ts'
import { proofKeyIn } from '../dpop/dpop-rule.ts'
import { BrokerError, isStoreTrouble } from '../errors/errors.ts'
import { grantOf } from '../grants/index.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import type { Emitter } from '../runtime/events.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { RemoteKey } from '../signers/remote-key.ts'
import { isUpToSigner } from '../signers/signing-problem.ts'
import { isLostRace, untilWritten } from '../store/compare-and-set.ts'
import {
  checkGrant,
  compose,
  credentialsToErase,
  definitionOf,
  type GrantTrouble,
  type IntegrationInput,
  isSameDefinition,
  wasActive,
} from './composition.ts'
import { checkDefinition, checkName, checkRotates } from './definition-rules.ts'
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

export interface Applied {
  readonly name: string
  readonly result: 'created' | 'changed' | 'unchanged' | 'disabled' | 'released' | 'removed'
  /** The integration whose credential this write lent. */
  readonly lentBy?: string
  /** Why the integration was disabled. */
  readonly error?: BrokerError
}

export type DeclaredIntegrations = ReturnType<typeof createDeclaredIntegrations>

export function createDeclaredIntegrations(dependencies: {
  readonly store: IntegrationStore
  readonly intake: Intake
  readonly hosts: HostRules
  /** Why the configuration of this service does not support a grant. Default: it supports all. */
  readonly grantTrouble?: GrantTrouble
  readonly events: Pick<Emitter<IntegrationEvents>, 'emitted'>
  readonly runtime: Pick<Runtime, 'now' | 'uniqueId'>
  /** Ends the tokens of an integration before its removal. */
  readonly revoke: (integration: Integration) => Promise<void>
}) {
  const { store, intake, hosts, grantTrouble, events, runtime, revoke } = dependencies

  const write = async (
    name: string,
    sealed: SealedIntegration | undefined,
    definition: Definition,
    fresh: FreshCredential | undefined,
    owner: Integration | undefined,
    {
      managedBy = 'file',
      secrets: given,
    }: { readonly managedBy?: Integration['managedBy']; readonly secrets?: CredentialSecrets } = {},
  ): Promise<Integration | undefined> => {
    const current = sealed?.integration
    const secrets = given ?? (sealed ? await sealed.open() : NO_SECRETS)
    const staysBehind = current && credentialsToErase(definition, current, hosts)
    const written = compose(
      {
        ...{ name, definition, managedBy, current, secrets, fresh, owner },
        // Without a credential in the entry, the active one stays.
        isToErase: (one) =>
          staysBehind?.(one) === true && (fresh !== undefined || one.state !== 'active'),
      },
      runtime,
    )
    return current ? store.change(current, written) : store.create(written)
  }

  /** Nothing changes if the credential was ever active here, so the file does not undo a rotation by the API. A generated credential is generated once. */
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
    if (await isFollowed(name, credential)) return undefined
    return intake.take(credential, grantOf(grant.type).credentialType(grant), name, {
      expiredIsWarning: true,
      // A replica must be able to start while a signer is away.
      ...(credential.signer && { known: await remoteKeysOf(name) }),
    })
  }

  /** A secret of a vault that is in use already is followed, also after a change there. So a replica starts without its vault. */
  const isFollowed = async (name: string, credential: CredentialInput): Promise<boolean> => {
    const sources = intake.sourcesOf(credential, name)
    if (!sources) return false
    const { credentials = [] } = (await store.read(name)) ?? {}
    const asked = textOfSources(sources)
    return credentials.some(({ outside }) => outside && textOfSources(outside.sources) === asked)
  }

  const remoteKeysOf = async (name: string): Promise<readonly RemoteKey[]> => {
    const secrets = await (await store.readSealed(name))?.open()
    return Object.values(secrets?.byId ?? {}).flatMap((one) =>
      'remote' in one ? [one.remote] : [],
    )
  }

  /** The secrets are opened only for a key at a signer. */
  const proofKeyFor = async (
    { name, input: { dpop } }: Declaration,
    sealed: SealedIntegration | undefined,
  ): Promise<{ readonly dpop?: IntegrationInput['dpop']; readonly secrets?: CredentialSecrets }> =>
    proofKeyIn({ dpop })
      ? intake.withProofKey(name, dpop, sealed ? await sealed.open() : NO_SECRETS)
      : { dpop }

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
    const { secrets, dpop } = await proofKeyFor(declaration, sealed)
    const definition = definitionOf(
      { ...input, credential: input.credential ?? NO_CREDENTIAL, ...(dpop && { dpop }) },
      hosts,
      current,
    )
    checkName(name, current)
    checkDefinition(definition, current)
    const fresh = await freshFor(declaration, sealed, given)
    checkRotates(intake, definition, current, fresh)
    const owner = await ownerOf(definition.credentialFrom)
    if (owner && servesInside(definition, owner)) throw wouldServeInside()
    await checkNoCircle(name, definition, store.read)
    await checkDeclaredSource(definition, store.read)
    const isSame = current?.managedBy === 'file' && isSameDefinition(definition, current)
    if (isSame && !fresh) return { name, result: 'unchanged' }
    const options = secrets ? { secrets } : {}
    const integration = await write(name, sealed, definition, fresh, owner, options)
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
    /** Idempotent. A wrong entry only disables its own integration. Throws `store_unavailable`, `signer_unavailable` if the entry needs a signer that is away, and `conflict` if other writers were faster each time. */
    apply: (declaration: Declaration): Promise<Applied> =>
      unlessWrong(declaration.name, async () => {
        try {
          checkGrant(declaration.input.grant, grantTrouble)
          const given = await taken(declaration)
          return await withRetries(() => attempt(declaration, given))
        } catch (error) {
          return disable(declaration.name, wrongOf(error), declaration.input)
        }
      }),
    /** Disables the integration of an entry that cannot be applied. If it does not exist, creates it disabled and without credential, if `input` allows. */
    disable: (name: string, error: BrokerError, input?: IntegrationInput): Promise<Applied> =>
      unlessWrong(name, () => disable(name, error, input)),
    /** Gives the declared integrations that are not in `names` to the API, or removes them. */
    async release(names: ReadonlySet<string>, prune: boolean): Promise<readonly Applied[]> {
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
    const integration = await write(name, sealed, sealed.integration, undefined, owner, {
      managedBy: 'api',
    })
    return integration && { name, result: 'released' }
  }

  async function remove(name: string): Promise<Applied | undefined> {
    const current = await store.read(name)
    if (!current) return { name, result: 'unchanged' }
    await revoke(current)
    return (await store.remove(current)) ? { name, result: 'removed' } : undefined
  }
}

/** The error of this integration alone. Throws errors that concern all integrations. */
function wrongOf(error: unknown): BrokerError {
  const isPassing = isStoreTrouble(error) || isLostRace(error) || isUpToSigner(error)
  if (error instanceof BrokerError && !isPassing) return error
  throw error
}

/** A record that does not open cannot be disabled either. It must not stop the others. */
async function unlessWrong(name: string, work: () => Promise<Applied>): Promise<Applied> {
  try {
    return await work()
  } catch (error) {
    return { name, result: 'disabled', error: wrongOf(error) }
  }
}

/** If an entry has no credential, the integration keeps its own and does not sign with another's. */
const NO_CREDENTIAL: CredentialInput = {}
