/** The policy: one pure function of principal, permission and integration. Denies by default. */
import { matchesGlob } from './glob.ts'
import { permitsRequest, type SeenRequest } from './request-pattern.ts'

export const PERMISSIONS = [
  'tokens:read',
  'tokens:prove',
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

/** Permissions that `requests` limits. */
const LIMITABLE: readonly Permission[] = ['tokens:read', 'tokens:prove']

/** The limit of a permission to requests, for a permit. */
export const limitedTo = (
  permission: Permission,
  requests: readonly string[] | undefined,
): Pick<Permit, 'requests'> => (requests && LIMITABLE.includes(permission) ? { requests } : {})

/** Why permissions with these `requests` make no sense. Undefined: they do. */
export function requestsTrouble(
  permissions: readonly Permission[],
  requests: readonly string[] | undefined,
): string | undefined {
  if (requests && !permissions.some((permission) => LIMITABLE.includes(permission))) {
    return `requests needs the permission ${LIMITABLE.join(' or ')}`
  }
  if (!requests && permissions.includes('tokens:prove')) {
    return 'requests must list the requests for which tokens:prove counts'
  }
  return undefined
}

/** One permission with its limit to integrations. */
export interface Permit {
  readonly permission: Permission
  /** Globs: `*` matches any characters. No other character is special. */
  readonly integrations: readonly string[]
  /** Labels that the integration must have. */
  readonly labels: Readonly<Record<string, string>>
  /** Patterns of requests to Salesforce. With them, the permit counts for nothing but these requests (`passing`). */
  readonly requests?: readonly string[]
  /** Networks from which it counts. Whoever authenticates the request has checked that. Absent: everywhere. */
  readonly networks?: readonly string[]
}

export type PrincipalKind = 'admin' | 'api_key' | 'jwt' | 'mtls'

interface PrincipalKey {
  readonly id: string
  readonly expiresAt: number
  /** Most seconds that `POST /oauth/token` says as `expires_in`. Absent: no limit. */
  readonly maxExpiresInSeconds?: number
}

/** An authenticated caller. */
export interface Principal {
  /** `admin`, `api-key:NAME`, `jwt:ISSUER#SUBJECT` or `mtls:ID`. */
  readonly id: string
  readonly kind: PrincipalKind
  readonly name: string
  readonly permits: readonly Permit[]
  /** What it may do from other networks than that of this request. Absent: nothing more. */
  readonly elsewhere?: readonly Permit[]
  /** Present for callers with an API key. */
  readonly key?: PrincipalKey
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
      permit.requests === undefined &&
      permit.integrations.some((glob) => matchesGlob(glob, name)),
  )
}

/** Whether the principal has the permission for every integration, whatever its name and labels. For the service as a whole. */
export function allowsAll(principal: Principal, permission: Permission): boolean {
  return principal.permits.some(
    (permit) =>
      permit.permission === permission &&
      permit.requests === undefined &&
      // No name contains a star, so only a star of the glob matches it.
      permit.integrations.some((glob) => matchesGlob(glob, '*')) &&
      Object.keys(permit.labels).length === 0,
  )
}

/** Of permits that were asked about. */
const onlyOnes = new WeakMap<readonly Permit[], string | null>()

/** The one integration whose tokens the principal may read by its permits. Undefined: it may read none, several, or an unknown number. */
export function onlyReadable({ permits }: Principal): string | undefined {
  const known = onlyOnes.get(permits)
  if (known !== undefined) return known ?? undefined
  const globs = new Set(
    permits
      .filter(({ permission }) => permission === 'tokens:read')
      .flatMap(({ integrations }) => integrations),
  )
  const [only] = globs
  const found = globs.size === 1 && !only?.includes('*') ? only : undefined
  onlyOnes.set(permits, found ?? null)
  return found
}

/** Permissions that the principal would gain, for all requests to Salesforce or for some, here or from another network. */
export const gainedBy = (
  { permits, elsewhere = [] }: Principal,
  before: AccessTarget,
  after: AccessTarget,
): readonly Permission[] =>
  PERMISSIONS.filter((permission) => {
    const own = [...permits, ...elsewhere].filter((permit) => permit.permission === permission)
    return own.some(
      (permit) =>
        reaches(permit, after) &&
        !own.some((other) => reaches(other, before) && isAsWide(other, permit)),
    )
  })

/** Whether the first counts for all requests and from all networks for which the other counts. */
const isAsWide = ({ requests, networks }: Permit, other: Permit): boolean =>
  hasAll(requests, other.requests) && hasAll(networks, other.networks)

/** Whether the first limit leaves all that the other leaves. Undefined: no limit. */
export const hasAll = (
  limit: readonly string[] | undefined,
  other: readonly string[] | undefined,
): boolean => limit === undefined || other?.every((one) => limit.includes(one)) === true

/** Whether the principal has the permission for this name, but for other requests than the one that it makes. */
export const isLimited = (principal: Principal, permission: Permission, name: string): boolean =>
  principal.permits.some(
    (permit) =>
      permit.permission === permission &&
      permit.requests !== undefined &&
      permit.integrations.some((glob) => matchesGlob(glob, name)),
  )

/** The principal for the time of these requests: permits that are limited to requests count if they permit all of them, and at least one. */
export function passing(principal: Principal, look: () => readonly SeenRequest[]): Principal {
  if (principal.permits.every(({ requests }) => requests === undefined)) return principal
  const seen = look()
  if (seen.length === 0) return principal
  const passed = principal.permits.filter(
    ({ requests }) => requests && seen.every((request) => permitsRequest(requests, request)),
  )
  return withPermits(principal, passed, unlimited)
}

/** The permits with some of them free of their limit. */
const unlimited: Choice = (permits, chosen) =>
  permits.map((permit) => {
    if (!chosen.includes(permit)) return permit
    const { requests: _, ...free } = permit
    return free
  })

/** What a principal may do while some of its permits count. Pure. */
type Choice = (permits: readonly Permit[], chosen: readonly Permit[]) => readonly Permit[]

interface Chosen {
  readonly permits: readonly Permit[]
  readonly principal: Principal
}

/** The last one of each choice for each principal: one request may need two. */
const choices = new WeakMap<Choice, WeakMap<Principal, Chosen>>()

/** The principal with the permits of a choice: the same object as for its last request with that choice, so that all that is remembered of a principal holds. */
export function withPermits(
  principal: Principal,
  permits: readonly Permit[],
  choice: Choice,
): Principal {
  const known = choices.get(choice) ?? new WeakMap<Principal, Chosen>()
  if (!choices.has(choice)) choices.set(choice, known)
  const last = known.get(principal)
  const isSame =
    last?.permits.length === permits.length &&
    permits.every((permit, at) => permit === last.permits[at])
  if (isSame) return last.principal
  const made = { ...principal, permits: choice(principal.permits, permits) }
  known.set(principal, { permits, principal: made })
  return made
}

const covers = (permit: Permit, target: AccessTarget): boolean =>
  permit.requests === undefined && reaches(permit, target)

function reaches({ integrations, labels }: Permit, target: AccessTarget): boolean {
  return (
    integrations.some((glob) => matchesGlob(glob, target.name)) &&
    Object.entries(labels).every(([key, value]) => target.labels?.[key] === value)
  )
}
