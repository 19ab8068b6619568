/** The rules by which integrations are written: preconditions, equality, fresh credentials, sharing. */
import { isDeepStrictEqual } from 'node:util'
import { allows, type Principal } from '../callers/policy.ts'
import {
  activeOf,
  type CredentialSecrets,
  keepSecrets,
  replaceActive,
} from '../credentials/credential.ts'
import {
  type CredentialInput,
  checkShape,
  type FreshCredential,
  type Intake,
} from '../credentials/intake.ts'
import { BrokerError } from '../errors.ts'
import { grantOf } from '../grants/index.ts'
import type { HostRules } from '../http/login-host.ts'
import {
  DEFAULTS,
  type Definition,
  defaultPin,
  digestsOf,
  type IdentityRule,
  type Integration,
} from './integration.ts'
import type { IntegrationStore, IntegrationWrite, SealedIntegration } from './integration-store.ts'
import {
  checkIfMatch,
  checkIfNoneMatch,
  type Preconditions,
  requireIfMatch,
} from './preconditions.ts'

/** An integration as a request gives it. What is left out takes its default. */
export interface IntegrationInput
  extends Partial<Omit<Definition, 'loginUrl' | 'grant' | 'identity' | 'credentialFrom'>> {
  readonly loginUrl: string
  readonly grant: Definition['grant']
  readonly identity?: Partial<IdentityRule>
  readonly credential?: CredentialInput
}

export interface Written {
  readonly integration: Integration
  readonly result: 'created' | 'changed' | 'unchanged'
}

export interface Registry {
  /** Creates or replaces. A write equal to what is there changes nothing, whatever `If-Match` says. */
  put(
    name: string,
    input: IntegrationInput,
    preconditions: Preconditions,
    principal: Principal,
  ): Promise<Written>
  /** Calls `revoke` once it is sure that the integration may go, and before its secrets are erased. */
  remove(
    name: string,
    preconditions: Preconditions,
    revoke: (integration: Integration) => Promise<void>,
  ): Promise<Integration>
}

export interface RegistryDependencies {
  readonly store: IntegrationStore
  readonly intake: Intake
  readonly hosts: HostRules
  readonly now: () => number
  readonly uniqueId: () => string
}

/** A change that loses this many races in a row gives up. */
const ATTEMPTS = 3

export function createRegistry(dependencies: RegistryDependencies): Registry {
  const { store, intake, hosts, now, uniqueId } = dependencies

  const ownerOf = async (from: string, name: string, principal: Principal) => {
    const owner = from === name ? undefined : await store.readSealed(from)
    const target = owner ? { name: from, labels: owner.integration.labels } : { name: from }
    if (!allows(principal, 'tokens:read', target)) {
      throw new BrokerError(
        'caller_forbidden',
        'The credential of that integration is not yours to use',
      )
    }
    if (!owner)
      throw new BrokerError('credential_invalid', 'from: there is no such other integration')
    if (owner.integration.credentialFrom !== null) {
      throw new BrokerError(
        'credential_invalid',
        'from: that integration has no credential of its own',
      )
    }
    return owner.integration
  }

  const definitionOf = (input: IntegrationInput, current: Integration | undefined): Definition => {
    const { credential, identity, loginUrl: given, ...rest } = input
    const loginUrl = hosts.checkLoginUrl(given)
    const from =
      credential === undefined ? (current?.credentialFrom ?? null) : (credential.from ?? null)
    return {
      ...DEFAULTS,
      labels: {},
      ...rest,
      loginUrl,
      identity: { ...identity, pin: identity?.pin ?? defaultPin(loginUrl) },
      credentialFrom: from,
    }
  }

  const attempt = async (
    name: string,
    input: IntegrationInput,
    fresh: FreshCredential | undefined,
    preconditions: Preconditions,
    principal: Principal,
  ): Promise<Written | undefined> => {
    const sealed = await store.readSealed(name)
    const current = sealed?.integration
    checkIfNoneMatch(preconditions, current)
    const definition = definitionOf(input, current)
    const secrets = sealed ? await sealed.open() : {}
    if (current && isSame(definition, current) && holds(current, secrets, input, fresh)) {
      return { integration: current, result: 'unchanged' }
    }
    if (current) requireIfMatch(preconditions, current)
    else checkIfMatch(preconditions, current)
    if (current?.managedBy === 'file') {
      throw new BrokerError('managed_by_file', 'The configuration file declares this integration')
    }
    const owner =
      definition.credentialFrom === null
        ? undefined
        : await ownerOf(definition.credentialFrom, name, principal)
    checkCredentialFits(definition, current, fresh, owner, hosts)
    const write = compose(name, definition, sealed, secrets, fresh, owner)
    const integration = current ? await store.change(current, write) : await store.create(write)
    return integration && { integration, result: current ? 'changed' : 'created' }
  }

  const compose = (
    name: string,
    definition: Definition,
    sealed: SealedIntegration | undefined,
    secrets: CredentialSecrets,
    fresh: FreshCredential | undefined,
    owner: Integration | undefined,
  ): IntegrationWrite => {
    const current = sealed?.integration
    const stored = current?.credentials ?? []
    const former = { clientId: current?.grant.clientId ?? null }
    const credentials = owner
      ? []
      : fresh
        ? replaceActive(stored, fresh.credential, former, now())
        : stored
    const all = fresh ? { ...secrets, [fresh.credential.id]: fresh.secret } : secrets
    const integration: Integration = {
      ...definition,
      name,
      uid: current?.uid ?? uniqueId(),
      version: current?.version ?? 1,
      credentials,
      managedBy: current?.managedBy ?? 'api',
      createdAt: current?.createdAt ?? now(),
      updatedAt: now(),
    }
    return {
      integration,
      digests: digestsOf(integration, (owner ?? integration).credentials),
      secrets: keepSecrets(all, credentials),
    }
  }

  return {
    async put(name, input, preconditions, principal) {
      const { credential, grant } = input
      if (credential) checkShape(credential)
      const needed = grantOf(grant.type).credentialType(grant)
      const fresh =
        credential && credential.from === undefined
          ? await intake.take(credential, needed, name)
          : undefined
      for (let tries = 0; tries < ATTEMPTS; tries += 1) {
        const written = await attempt(name, input, fresh, preconditions, principal)
        if (written) return written
      }
      throw new BrokerError(
        'conflict',
        'The integration was changed by others three times meanwhile',
      )
    },

    async remove(name, preconditions, revoke) {
      for (let tries = 0; tries < ATTEMPTS; tries += 1) {
        const current = await store.read(name)
        if (!current)
          throw new BrokerError('integration_not_found', 'There is no integration of this name')
        requireIfMatch(preconditions, current)
        if (current.managedBy === 'file') {
          throw new BrokerError(
            'managed_by_file',
            'The configuration file declares this integration',
          )
        }
        const follower = await findFollower(store, name)
        if (follower !== undefined) {
          throw new BrokerError(
            'credential_state',
            `Integration ${follower} signs with its credential`,
          )
        }
        await revoke(current)
        if (await store.remove(current)) return current
      }
      throw new BrokerError(
        'conflict',
        'The integration was changed by others three times meanwhile',
      )
    },
  }
}

const DEFINITION_MEMBERS = [
  'description',
  'enabled',
  'labels',
  'loginUrl',
  'grant',
  'tokenLifetime',
  'keepWarm',
  'loginsPerHour',
  'serveTokens',
  'identity',
  'credentialFrom',
] as const satisfies readonly (keyof Definition)[]

const isSame = (definition: Definition, current: Integration) =>
  DEFINITION_MEMBERS.every((member) => isDeepStrictEqual(definition[member], current[member]))

/** Does the integration hold just the credential that the request gives? One that is generated is always another. */
function holds(
  current: Integration,
  secrets: CredentialSecrets,
  { credential }: IntegrationInput,
  fresh: FreshCredential | undefined,
): boolean {
  if (!fresh) return true
  if (credential?.generate) return false
  const active = activeOf(current.credentials)
  return (
    active !== undefined &&
    isDeepStrictEqual(secrets[active.id], fresh.secret) &&
    (active.certificate?.fingerprintSha256 ?? null) ===
      (fresh.credential.certificate?.fingerprintSha256 ?? null)
  )
}

/** A stored secret is never sent to another host than the one it was given for, and a credential is of the kind that the grant needs. */
function checkCredentialFits(
  definition: Definition,
  current: Integration | undefined,
  fresh: FreshCredential | undefined,
  owner: Integration | undefined,
  hosts: HostRules,
): void {
  const grant = grantOf(definition.grant.type)
  const stored = owner ?? (fresh ? undefined : current)
  if (!stored) return
  const active = activeOf(stored.credentials)
  if (!active) return
  const needed = grant.credentialType(definition.grant)
  if (active.type !== needed) {
    throw new BrokerError(
      'credential_required',
      `The grant needs a ${needed}, and the stored credential is a ${active.type}`,
    )
  }
  if (definition.loginUrl === stored.loginUrl) return
  const sends = grant.sendsCredential(definition.grant)
  const leaves = !hosts.isSalesforceOwn(new URL(definition.loginUrl).hostname)
  if (owner ? sends && leaves : sends || leaves) {
    throw new BrokerError(
      'credential_required',
      'A change of login_url needs the credential again in the same request',
    )
  }
}

async function findFollower(store: IntegrationStore, name: string): Promise<string | undefined> {
  let after: string | undefined
  do {
    const { items, next } = await store.list(
      after === undefined ? { limit: 1000 } : { limit: 1000, after },
    )
    const found = items.find(({ credentialFrom }) => credentialFrom === name)
    if (found) return found.name
    after = next ?? undefined
  } while (after !== undefined)
  return undefined
}
