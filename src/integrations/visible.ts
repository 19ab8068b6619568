/** The integration that a path names, if the principal may do this to it. */
import { allows, mightAllow, type Permission, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors.ts'
import type { Integration } from './integration.ts'

export interface Visibility {
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly principal: Principal
  readonly permission: Permission
}

/** Throws `caller_forbidden`, whether it exists or not; `integration_not_found` to those who may know. */
export async function visibleIntegration(
  name: string,
  { integrations, principal, permission }: Visibility,
): Promise<Integration> {
  if (!mightAllow(principal, permission, name)) throw lacks(permission)
  return visible(name, await integrations.read(name), principal, permission)
}

/** Asked at the moment of a change, about the very record that it replaces: labels may have changed since, and so may who asks. Throws as `visibleIntegration` does, and `caller_unauthenticated`. */
export type Authorise = (name: string, integration: Integration | undefined) => Promise<Integration>

export const authoriseBy =
  (confirm: () => Promise<Principal>, permission: Permission): Authorise =>
  async (name, integration) =>
    visible(name, integration, await confirm(), permission)

/** The broker itself changes what is there. */
export const byItself: Authorise = async (_name, integration) => found(integration)

function visible(
  name: string,
  integration: Integration | undefined,
  principal: Principal,
  permission: Permission,
): Integration {
  const target = integration ? { name, labels: integration.labels } : { name }
  if (!allows(principal, permission, target)) throw lacks(permission)
  return found(integration)
}

function found(integration: Integration | undefined): Integration {
  if (integration) return integration
  throw new BrokerError('integration_not_found', 'There is no integration of this name')
}

const lacks = (permission: Permission) =>
  new BrokerError('caller_forbidden', `You lack ${permission} for this integration`)
