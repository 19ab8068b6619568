/** Who may see or rotate the credentials of an integration. */
import { allows, type Permission, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors.ts'
import type { Integration } from '../integrations/integration.ts'

/** Throws `caller_forbidden`, the same whether there is one or not, and `integration_not_found`. */
export type Access = (
  request: { readonly principal: Principal },
  permission: Permission,
  name: string,
) => Promise<Integration>

export const createAccess =
  (integrations: { read(name: string): Promise<Integration | undefined> }): Access =>
  async ({ principal }, permission, name) => {
    const integration = await integrations.read(name)
    const target = integration ? { name, labels: integration.labels } : { name }
    if (!allows(principal, permission, target)) {
      throw new BrokerError('caller_forbidden', `You lack ${permission} for this integration`)
    }
    if (!integration) {
      throw new BrokerError('integration_not_found', 'There is no integration of this name')
    }
    return integration
  }
