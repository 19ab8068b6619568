/** Whether a creator may grant permissions to a key: never more than its own. Pure. Refuses if containment cannot be proven. */
import { matchesGlob } from './glob.ts'
import { hasAll, type Permission, type Permit, type Principal } from './policy.ts'

interface PermissionGrant {
  readonly permissions: readonly Permission[]
  /** Globs of integration names. */
  readonly integrations: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** Requests for which `tokens:read` and `tokens:prove` count. Absent: not limited. */
  readonly requests?: readonly string[]
  /** Networks from which the key counts. Absent: everywhere. */
  readonly networks?: readonly string[]
}

/** What limits permissions to integrations and requests. */
type Covered = Omit<PermissionGrant, 'permissions' | 'networks'>

/** Whether the principal may read and revoke keys with this grant. Limits of its `api-keys:write` apply. */
export const managesGrant = (principal: Principal, grant: Covered) =>
  coversAll(principal.permits, 'api-keys:write', grant)

/** Whether the principal may create a key with this grant. It must have each permission itself, for at least the same integrations. */
export const mayGrant = (principal: Principal, grant: PermissionGrant): boolean =>
  managesGrant(principal, grant) &&
  grant.permissions.every((permission) =>
    // Who may do it from some networks grants it for the same networks, or for fewer of them.
    coversAll(
      principal.permits.filter(({ networks }) => hasAll(networks, grant.networks)),
      permission,
      grant,
    ),
  )

/** Latest expiry of a key that the principal creates. A key must not outlive its creating key. */
export const latestEnd = ({ key }: Principal): number => key?.expiresAt ?? Number.POSITIVE_INFINITY

/** Different permits may cover different globs. */
const coversAll = (
  permits: readonly Permit[],
  permission: Permission,
  { integrations, labels, requests }: Covered,
): boolean =>
  integrations.every((glob) =>
    permits.some(
      (permit) =>
        permit.permission === permission &&
        hasAll(permit.requests, requests) &&
        permit.integrations.some((own) => containsGlob(own, glob)) &&
        // More labels in a grant mean fewer integrations.
        Object.entries(permit.labels).every(
          ([key, value]) => Object.hasOwn(labels, key) && labels[key] === value,
        ),
    ),
  )

/** Whether `outer` matches every name that `inner` matches. Treats the stars of `inner` as letters that no name contains, so that only a star of `outer` can match them. */
export const containsGlob = (outer: string, inner: string): boolean => matchesGlob(outer, inner)
