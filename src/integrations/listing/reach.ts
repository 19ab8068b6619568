/** Which part of the listing index a principal needs to be shown. Pure. */
import type { Principal } from '../../callers/policy.ts'
import { NAMED_IN_ANSWERS } from '../../callers/reference-table.ts'
import { groupOfLabel } from '../state.ts'

/** Names with this prefix, in all of these groups. It may be more than the principal may see. */
export interface Reach {
  readonly prefix: string
  readonly groups: readonly string[]
}

export const EVERYTHING: Reach = { prefix: '', groups: [] }

/** More are not worth a query each. */
export const REACHES_MAX = 16

export const isEverything = ({ prefix, groups }: Reach): boolean =>
  prefix === '' && groups.length === 0

/** Everything that the principal may see is in at least one of them. */
export function reachesOf({ permits }: Pick<Principal, 'permits'>): readonly Reach[] {
  const reaches = permits
    .filter(({ permission, requests }) => permission === NAMED_IN_ANSWERS && requests === undefined)
    .flatMap(({ integrations, labels }) => {
      const groups = Object.entries(labels).map(([key, value]) => groupOfLabel(key, value))
      return integrations.map((glob): Reach => ({ prefix: headOf(glob), groups }))
    })
  const isAll = reaches.length > REACHES_MAX || reaches.some(isEverything)
  return isAll ? [EVERYTHING] : reaches
}

/** What stands before the first star. */
const headOf = (glob: string): string => glob.split('*', 1)[0] ?? ''
