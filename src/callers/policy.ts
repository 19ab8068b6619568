/** The policy: one pure function of principal, permission and integration. Denies by default. */

export const PERMISSIONS = [
  'tokens:read',
  'tokens:revoke',
  'integrations:read',
  'integrations:test',
  'integrations:write',
  'credentials:write',
  'api-keys:write',
  'audit:read',
  'service:manage',
] as const

export type Permission = (typeof PERMISSIONS)[number]

/** One permission with its limit to integrations. */
export interface Permit {
  readonly permission: Permission
  /** Globs: `*` matches any characters. No other character is special. */
  readonly integrations: readonly string[]
  /** Labels that the integration must have. */
  readonly labels: Readonly<Record<string, string>>
}

export type PrincipalKind = 'admin' | 'api_key' | 'jwt' | 'mtls'

/** An authenticated caller. */
export interface Principal {
  /** `admin`, `api-key:NAME`, `jwt:ISSUER#SUBJECT` or `mtls:ID`. */
  readonly id: string
  readonly kind: PrincipalKind
  readonly name: string
  readonly permits: readonly Permit[]
  /** Present for callers with an API key. */
  readonly key?: { readonly id: string; readonly expiresAt: number }
}

/** What the policy uses of an integration. Undefined labels: the integration does not exist, and a permit with labels does not match. */
export interface AccessTarget {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
}

/** Whether the principal has the permission for this integration. */
export function allows(
  principal: Principal,
  permission: Permission,
  target: AccessTarget,
): boolean {
  return principal.permits.some(
    (permit) => permit.permission === permission && covers(permit, target),
  )
}

/** Whether the principal has the permission for any integration. For lists, and for resources without an integration. */
export function allowsSome(principal: Principal, permission: Permission): boolean {
  return principal.permits.some((permit) => permit.permission === permission)
}

/** Whether the principal may have the permission for this name, depending on labels. If not, the request is refused before any lookup, so that its time does not tell whether the integration exists. */
export function mightAllow(principal: Principal, permission: Permission, name: string): boolean {
  return principal.permits.some(
    (permit) =>
      permit.permission === permission &&
      permit.integrations.some((glob) => matchesGlob(glob, name)),
  )
}

/** Whether the principal has the permission for every integration, whatever its name and labels. For the service as a whole. */
export function allowsAll(principal: Principal, permission: Permission): boolean {
  return principal.permits.some(
    (permit) =>
      permit.permission === permission &&
      // No name contains a star, so only a star of the glob matches it.
      permit.integrations.some((glob) => matchesGlob(glob, '*')) &&
      Object.keys(permit.labels).length === 0,
  )
}

/** Permissions that the principal would gain. */
export const gainedBy = (
  principal: Principal,
  before: AccessTarget,
  after: AccessTarget,
): readonly Permission[] =>
  PERMISSIONS.filter(
    (permission) => !allows(principal, permission, before) && allows(principal, permission, after),
  )

function covers({ integrations, labels }: Permit, target: AccessTarget): boolean {
  return (
    integrations.some((glob) => matchesGlob(glob, target.name)) &&
    Object.entries(labels).every(([key, value]) => target.labels?.[key] === value)
  )
}

/** Linear in both lengths: searches the parts between the stars from left to right. */
export function matchesGlob(glob: string, name: string): boolean {
  // Fast path for the two usual forms, because each hit calls this.
  if (glob === '*' || glob === name) return true
  if (!glob.includes('*')) return false
  const [head = '', ...rest] = glob.split('*')
  if (!name.startsWith(head)) return false
  const tail = rest.pop() ?? ''
  let at = head.length
  for (const piece of rest) {
    const found = name.indexOf(piece, at)
    if (found === -1) return false
    at = found + piece.length
  }
  return name.length - tail.length >= at && name.endsWith(tail)
}
