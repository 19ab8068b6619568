/** Who may do what: one pure function over principal, permission and integration. Deny by default. */

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

/** One permission, and the integrations that it is limited to. */
export interface Permit {
  readonly permission: Permission
  /** Globs: `*` is any run of characters, nothing else is special. */
  readonly integrations: readonly string[]
  /** The integration must carry all of them. */
  readonly labels: Readonly<Record<string, string>>
}

export type PrincipalKind = 'admin' | 'api_key' | 'jwt' | 'mtls'

/** Who calls us, proven. */
export interface Principal {
  /** `admin`, `api-key:NAME`, `jwt:ISSUER#SUBJECT` or `mtls:ID`. */
  readonly id: string
  readonly kind: PrincipalKind
  readonly name: string
  readonly permits: readonly Permit[]
  /** Only for callers with an API key. */
  readonly key?: { readonly id: string; readonly expiresAt: number }
}

/** What the policy needs to know of an integration. Labels are undefined where there is no such integration: a permit limited by labels then does not match. */
export interface AccessTarget {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
}

/** May the principal do this to the integration? */
export function allows(
  principal: Principal,
  permission: Permission,
  target: AccessTarget,
): boolean {
  return principal.permits.some(
    (permit) => permit.permission === permission && covers(permit, target),
  )
}

/** May the principal do this at all, to whichever integration? For lists and for what concerns none. */
export function allowsSome(principal: Principal, permission: Permission): boolean {
  return principal.permits.some((permit) => permit.permission === permission)
}

/** Might it, whatever labels the integration has? What it may do to none of that name is refused before anything is looked up, and so in the same time whether there is one or not. */
export function mightAllow(principal: Principal, permission: Permission, name: string): boolean {
  return principal.permits.some(
    (permit) =>
      permit.permission === permission &&
      permit.integrations.some((glob) => matchesGlob(glob, name)),
  )
}

/** May the principal do this to every integration, whatever its name and labels? For what concerns the service as a whole. */
export function allowsAll(principal: Principal, permission: Permission): boolean {
  return principal.permits.some(
    (permit) =>
      permit.permission === permission &&
      // The star of the name stands for what no name has: a star of the glob alone matches it.
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

/** Linear in both lengths: the pieces between the stars are searched from left to right. */
export function matchesGlob(glob: string, name: string): boolean {
  // Asked at each hit: the two usual forms need no pieces.
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
