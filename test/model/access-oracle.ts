/** Who may do what to three integrations that refer to each other, by the words of `docs/callers.md` and not by the code. */

export const SLOTS = ['a', 'b', 'c'] as const
export type Slot = (typeof SLOTS)[number]
export const TEAMS = ['x', 'y'] as const
export type Team = (typeof TEAMS)[number] | undefined
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

/** One line of what a caller may do. `slot` undefined: every integration. `team` undefined: whatever its labels. */
export interface Entry {
  readonly permissions: readonly Permission[]
  readonly slot: Slot | undefined
  readonly team: Team
}

/** How an integration gets its token. `at`: `home`, where the app of each is, or `away`. */
export type Way =
  | { readonly kind: 'own' }
  | { readonly kind: 'lent'; readonly from: Slot; readonly user: Slot }
  | { readonly kind: 'exchange'; readonly source: Slot; readonly at: 'home' | 'away' }

export interface Defined {
  readonly team: Team
  readonly serves: boolean
  readonly way: Way
  /** Whether its token may be exchanged away. */
  readonly exchangesAway: boolean
}

export type State = Readonly<Record<Slot, Defined | undefined>>

export const has = (
  entries: readonly Entry[],
  permission: Permission,
  slot: Slot,
  /** Of no integration: no entry that is limited by a team reaches it. */
  team: Team,
): boolean =>
  entries.some(
    (entry) =>
      entry.permissions.includes(permission) &&
      (entry.slot === undefined || entry.slot === slot) &&
      (entry.team === undefined || entry.team === team),
  )

/** Whether the token of a source may be exchanged there: where it is itself, or where its owner says. */
function isOpen({ serves, way, exchangesAway }: Defined, at: 'home' | 'away'): boolean {
  const own = way.kind === 'exchange' ? way.at : 'home'
  return serves && (at === own || (at === 'away' && exchangesAway))
}

/** The client secret of an exchange does not go along to another host, so there it is another one. */
const sameProof = (one: Way, other: Way): boolean => {
  const proofOf = (way: Way) =>
    way.kind === 'lent' ? `lent ${way.from}` : way.kind === 'exchange' ? `at ${way.at}` : way.kind
  return proofOf(one) === proofOf(other)
}

/** May a caller make this of that? Another integration that is named need not be there. */
export function mayWrite(
  entries: readonly Entry[],
  slot: Slot,
  state: State,
  next: Defined,
): boolean {
  const before = state[slot]
  const may = (permission: Permission, team: Team) => has(entries, permission, slot, team)
  if (!may('integrations:write', before?.team) || !may('integrations:write', next.team))
    return false
  if (before) {
    const gains = PERMISSIONS.some((one) => !may(one, before.team) && may(one, next.team))
    if (gains) return false
    const isProofKept = sameProof(before.way, next.way)
    const mayProve = may('credentials:write', before.team) && may('credentials:write', next.team)
    if (!isProofKept && !mayProve) return false
  }
  const { way } = next
  const isSame = before !== undefined && JSON.stringify(before.way) === JSON.stringify(way)
  if (way.kind === 'own' || isSame) return true
  const other = way.kind === 'lent' ? way.from : way.source
  const needed = way.kind === 'lent' ? 'credentials:write' : 'tokens:read'
  // Itself is no other integration: as if there were none of that name.
  const named = other === slot ? undefined : state[other]
  if (!has(entries, needed, other, named?.team)) return false
  const source = way.kind === 'exchange' ? named : undefined
  return way.kind === 'lent' || source === undefined || isOpen(source, way.at)
}

/** May a caller make a key that reads the tokens of these? Each of them may be its by another entry; what a team limits, the key is limited by, too. */
export const mayMakeReader = (
  entries: readonly Entry[],
  slots: readonly Slot[],
  team: Team,
): boolean =>
  (['api-keys:write', 'tokens:read'] as const).every((permission) =>
    slots.every((slot) => has(entries, permission, slot, team)),
  )

export const mayRemove = (entries: readonly Entry[], slot: Slot, state: State): boolean =>
  has(entries, 'integrations:write', slot, state[slot]?.team)

/** May a caller be given the token of it? */
export function mayRead(entries: readonly Entry[], slot: Slot, state: State): boolean {
  const defined = state[slot]
  if (!has(entries, 'tokens:read', slot, defined?.team)) return false
  return defined === undefined || servesTo(defined, state)
}

const servesTo = (defined: Defined, state: State): boolean =>
  defined.serves && canBeMade(defined, state)

/** By what others allow: an owner that keeps its own token inside lends none of the same user, and every source of a chain must be open to what exchanges it. */
function canBeMade({ way }: Defined, state: State): boolean {
  if (way.kind === 'lent') {
    const owner = state[way.from]
    return owner === undefined || owner.serves || way.user !== way.from
  }
  if (way.kind === 'exchange') {
    const source = state[way.source]
    if (source === undefined) return true
    return isOpen(source, way.at) && canBeMade(source, state)
  }
  return true
}

/** Whose app, and whose user, a token of it is of; of an exchange, nobody's here. */
export function subjectOf(slot: Slot, { way }: Defined): string | undefined {
  if (way.kind === 'own') return `${slot} ${slot}`
  return way.kind === 'lent' ? `${way.from} ${way.user}` : undefined
}

/** What stays inside, whatever else is served. */
export const insideOf = (state: State): ReadonlySet<string> =>
  new Set(
    SLOTS.flatMap((slot) => {
      const defined = state[slot]
      const isInside = defined?.way.kind === 'own' && !defined.serves
      return isInside ? [`${slot} ${slot}`] : []
    }),
  )
