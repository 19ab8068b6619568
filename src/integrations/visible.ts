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
  const forbidden = () =>
    new BrokerError('caller_forbidden', `You lack ${permission} for this integration`)
  if (!mightAllow(principal, permission, name)) throw forbidden()
  const integration = await integrations.read(name)
  const target = integration ? { name, labels: integration.labels } : { name }
  if (!allows(principal, permission, target)) throw forbidden()
  if (!integration) {
    throw new BrokerError('integration_not_found', 'There is no integration of this name')
  }
  return integration
}
