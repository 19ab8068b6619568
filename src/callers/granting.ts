/** Whether a maker may grant what is asked: nobody can grant more than it has. Pure; refuses where containment cannot be shown. */
import { matchesGlob, type Permission, type Permit, type Principal } from './policy.ts'

interface PermissionGrant {
  readonly permissions: readonly Permission[]
  /** Globs. */
  readonly integrations: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/** May the principal read and revoke keys that grant this? Its `api-keys:write` is limited like every permission. */
export const managesGrant = (
  principal: Principal,
  { integrations, labels }: Omit<PermissionGrant, 'permissions'>,
) => coversAll(principal.permits, 'api-keys:write', integrations, labels)

/** May the principal make a key that grants this? Each permission must be its own, over at least the same integrations. */
export const mayGrant = (principal: Principal, grant: PermissionGrant): boolean =>
  managesGrant(principal, grant) &&
  grant.permissions.every((permission) =>
    coversAll(principal.permits, permission, grant.integrations, grant.labels),
  )

/** When the newest key that the principal may make must end, at the latest: none outlives the key that it was made with. */
export const latestEnd = ({ key }: Principal): number => key?.expiresAt ?? Number.POSITIVE_INFINITY

/** Each glob may be covered by another permit. */
const coversAll = (
  permits: readonly Permit[],
  permission: Permission,
  integrations: readonly string[],
  labels: Readonly<Record<string, string>>,
): boolean =>
  integrations.every((glob) =>
    permits.some(
      (permit) =>
        permit.permission === permission &&
        permit.integrations.some((own) => containsGlob(own, glob)) &&
        // The more labels a grant asks for, the fewer integrations it reaches.
        Object.entries(permit.labels).every(
          ([key, value]) => Object.hasOwn(labels, key) && labels[key] === value,
        ),
    ),
  )

/**
 * Does every name that `inner` matches match `outer`, too? The stars of `inner` are taken for
 * letters that no name has: only a star of `outer` can stand for them.
 */
export const containsGlob = (outer: string, inner: string): boolean => matchesGlob(outer, inner)
