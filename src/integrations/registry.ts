/** Rules for writing integrations: preconditions, equality, new credentials, lending. */

import type { Principal } from '../callers/policy.ts'
import { activeOf, NO_SECRETS } from '../credentials/credential.ts'
import { checkShape } from '../credentials/credential-input.ts'
import type { FreshCredential } from '../credentials/fresh-credential.ts'
import type { Intake } from '../credentials/intake.ts'
import type { Remarks } from '../credentials/key-material.ts'
import { BrokerError } from '../errors/errors.ts'
import { grantOf } from '../grants/index.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import type { Emitter } from '../runtime/events.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { untilWritten } from '../store/compare-and-set.ts'
import { checkCertificateDeployment } from './certificate-deployment.ts'
import {
  checkGrant,
  compose,
  credentialsToErase,
  definitionOf,
  type GrantTrouble,
  type IntegrationInput,
  isActive,
  isSameDefinition,
} from './composition.ts'
import { checkDefinition, checkName, checkRotates } from './definition-rules.ts'
import type { Definition, Integration } from './integration.ts'
import type { IntegrationEvents } from './integration-events.ts'
import type { IntegrationStore } from './integration-store.ts'
import {
  checkIfMatch,
  checkIfNoneMatch,
  type Preconditions,
  requireIfMatch,
} from './preconditions.ts'
import {
  checkFollowersGoAlong,
  checkNobodyFollows,
  isLentAnew,
  lenderOf,
} from './references/lending.ts'
import {
  checkNobodyExchanges,
  checkTokenSource,
  hasOtherTokens,
  isNarrowed,
} from './references/token-source.ts'
import { authoriseBy } from './references/visible.ts'
import { checkMayChange, checkMayLabel, checkMayWrite } from './write-access.ts'

export interface Written {
  readonly integration: Integration
  readonly result: 'created' | 'changed' | 'unchanged'
  /** Id of the credential that the write made active. */
  readonly activated?: string
  readonly remarks?: Remarks
  /** The integration whose credential this write lent. */
  readonly lentBy?: string
}

export type Registry = ReturnType<typeof createRegistry>

export interface RegistryDependencies {
  readonly store: IntegrationStore
  readonly intake: Intake
  readonly hosts: HostRules
  /** Why the configuration of this service does not support a grant. Default: it supports all. */
  readonly grantTrouble?: GrantTrouble
  readonly events: Pick<Emitter<IntegrationEvents>, 'emitted'>
  readonly runtime: Pick<Runtime, 'now' | 'uniqueId'>
}

export function createRegistry(dependencies: RegistryDependencies) {
  const { store, intake, hosts, grantTrouble, events, runtime } = dependencies

  const attempt = async (
    name: string,
    input: IntegrationInput,
    given: FreshCredential | undefined,
    preconditions: Preconditions,
    confirm: () => Promise<Principal>,
  ): Promise<Written | undefined> => {
    const sealed = await store.readSealed(name)
    const current = sealed?.integration
    const principal = await confirm()
    checkMayChange(principal, name, current)
    checkIfNoneMatch(preconditions, current)
    const opened = sealed ? await sealed.open() : NO_SECRETS
    const { secrets, dpop } = await intake.withProofKey(name, input.dpop, opened)
    const definition = definitionOf({ ...input, ...(dpop && { dpop }) }, hosts, current)
    checkMayLabel(principal, name, current, definition.labels)
    const isHeld = !given || (current !== undefined && isActive(given, current, secrets))
    // The active credential must not replace itself.
    const fresh = isHeld && definition.loginUrl === current?.loginUrl ? undefined : given
    if (current && isHeld && isSameDefinition(definition, current)) {
      // A former request may have written this and failed because too few replicas had it.
      await store.confirm()
      return { integration: current, result: 'unchanged' }
    }
    checkName(name, current)
    checkDefinition(definition, current)
    if (current?.managedBy === 'file') {
      throw new BrokerError('managed_by_file', 'The configuration file declares this integration')
    }
    if (current) requireIfMatch(preconditions, current)
    else checkIfMatch(preconditions, current)
    const owner = await lenderOf({ name, definition, current, principal, store })
    if (owner && current?.credentialFrom === null) await checkNobodyFollows(store, name, principal)
    if (current) await checkFollowersGoAlong(store, definition, current, principal)
    checkCredentialFits(definition, current, fresh, owner, hosts)
    checkRotates(intake, definition, current, fresh)
    await checkCertificateDeployment({ name, definition, current, principal, read: store.read })
    await checkTokenSource({ name, definition, current, principal, read: store.read })
    const write = compose(
      {
        ...{ name, definition, managedBy: 'api', current, secrets, fresh, owner },
        ...(current && { isToErase: credentialsToErase(definition, current, hosts) }),
      },
      runtime,
    )
    checkMayWrite(await confirm(), name, current, write.integration)
    const integration = current ? await store.change(current, write) : await store.create(write)
    if (!integration) return undefined
    const isOther = current && hasOtherTokens(current, integration)
    if (isOther || (current && isNarrowed(current, integration))) {
      await events.emitted('integration.tokens_changed', name)
    }
    const result = current ? 'changed' : 'created'
    return {
      ...{ integration, result },
      ...(fresh && { activated: fresh.credential.id }),
      ...(owner && isLentAnew(definition, current) && { lentBy: owner.name }),
    }
  }

  return {
    /** Creates or replaces. `confirm` authenticates the principal again; permissions are checked against the record that is replaced. A write that changes nothing succeeds, whatever `If-Match` says. */
    async put(
      name: string,
      input: IntegrationInput,
      preconditions: Preconditions,
      confirm: () => Promise<Principal>,
    ): Promise<Written> {
      const { credential, grant } = input
      checkGrant(grant, grantTrouble)
      if (credential) checkShape(credential)
      const needed = grantOf(grant.type).credentialType(grant)
      const fresh =
        credential && credential.from === undefined
          ? await intake.take(credential, needed, name)
          : undefined
      return untilWritten(`integration ${name}`, async () => {
        const written = await attempt(name, input, fresh, preconditions, confirm)
        if (!written) return 'lost'
        return fresh ? { ...written, remarks: fresh.remarks } : written
      })
    },

    /** Calls `revoke` after all checks of the removal, and before the secrets are erased. */
    async remove(
      name: string,
      preconditions: Preconditions,
      confirm: () => Promise<Principal>,
      revoke: (integration: Integration) => Promise<void>,
    ): Promise<Integration> {
      const authorise = authoriseBy(confirm, 'integrations:write')
      return untilWritten(`integration ${name}`, async () => {
        const current = await authorise(name, await store.read(name))
        if (current.managedBy === 'file') {
          throw new BrokerError(
            'managed_by_file',
            'The configuration file declares this integration',
          )
        }
        requireIfMatch(preconditions, current)
        const principal = await confirm()
        await checkNobodyFollows(store, name, principal)
        await checkNobodyExchanges(store, name, principal)
        await authorise(name, current)
        await revoke(current)
        // The revocation at Salesforce may have taken long, so permissions are checked again.
        await authorise(name, current)
        return (await store.remove(current)) ? current : 'lost'
      })
    },
  }
}

/** A stored secret is only sent to the host for which it was given. The credential must be of the kind that the grant needs. */
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
  if (needed === 'none' && !owner) return
  if (active.type !== needed) {
    throw new BrokerError(
      'credential_required',
      `The grant needs a ${needed}, and the stored credential is a ${active.type}`,
    )
  }
  if (definition.loginUrl === stored.loginUrl) return
  // An existing loan stays.
  if (owner && !isLentAnew(definition, current)) return
  const sends = grant.sendsCredential(definition.grant)
  const leaves = !hosts.isSalesforceOwn(new URL(definition.loginUrl).hostname)
  if (sends || leaves) {
    throw new BrokerError(
      'credential_required',
      owner
        ? 'A credential that is lent goes to no other login_url than its own; a signing key to those of Salesforce'
        : 'A change of login_url needs the credential again in the same request',
    )
  }
}
