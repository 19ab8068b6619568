/** The principal of a proven identity. What it may do depends on where each request comes from, if callers of the configuration file have networks. */
import {
  type CallerEntry,
  combined,
  countsFrom,
  matchingEntries,
  type Proven,
} from '../caller-entry.ts'
import type { Principal } from '../policy.ts'
import type { Origin } from '../remembered-documents.ts'

/** To remember for an identity. */
export interface DeclaredCaller {
  /** With the permits of all matching entries. */
  readonly principal: Principal
  /** The principal for requests from an address. Null: entries match, and none counts from there. Absent: all entries count everywhere. */
  readonly from?: (address: string | undefined) => Principal | null
}

/** `name`: the name of a principal that matches no entry. */
export function declaredCaller(
  all: readonly CallerEntry[],
  proven: Proven,
  { id, name }: Pick<Principal, 'id' | 'name'>,
): DeclaredCaller {
  const entries = matchingEntries(all, proven)
  const principalOf = (counting: readonly CallerEntry[]): Principal => {
    const found = combined(counting)
    return { id, kind: proven.kind, name: found.name ?? name, permits: found.permits }
  }
  const principal = principalOf(entries)
  if (entries.every(({ networks }) => networks === undefined)) return { principal }
  return {
    principal,
    from(address) {
      const counting = entries.filter((entry) => countsFrom(entry, address))
      if (counting.length === entries.length) return principal
      if (counting.length === 0) return null
      const others = entries.filter((entry) => !counting.includes(entry))
      return { ...principalOf(counting), elsewhere: combined(others).permits }
    },
  }
}

/** The principal of a request. `refuse` makes the error for one that is outside all networks. */
export function placed(
  { principal, from }: DeclaredCaller,
  origin: Origin | undefined,
  refuse: (principal: Principal) => Error,
): Principal {
  if (from === undefined) return principal
  const found = from(origin?.ip)
  if (found === null) throw refuse(principal)
  return found
}
