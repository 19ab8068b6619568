/** Checks who may see or rotate the credentials of an integration. */
import type { Permission, Principal } from '../callers/policy.ts'
import type { Integration } from '../integrations/integration.ts'
import { visibleIntegration } from '../integrations/references/visible.ts'

/** Throws `caller_forbidden` in the same way for an existing and a missing integration, and `integration_not_found`. */
export type Access = (
  request: { readonly principal: Principal },
  permission: Permission,
  name: string,
) => Promise<Integration>

export const createAccess =
  (integrations: { read(name: string): Promise<Integration | undefined> }): Access =>
  ({ principal }, permission, name) =>
    visibleIntegration(name, { integrations, principal, permission })
