/** Counts integrations by state, by label and by the end of their certificate, from the listing index. */
import { allowsAll, type Principal } from '../../callers/policy.ts'
import { NAMED_IN_ANSWERS } from '../../callers/reference-table.ts'
import {
  FAMILIES,
  type Family,
  type GroupCount,
  type ListingIndex,
} from '../../store/listing/listing-index.ts'
import { isShown } from '../references/visible.ts'
import type { Indexer } from './indexer.ts'
import { reachesOf } from './reach.ts'

interface Count {
  /** What follows the family in the name of the group. */
  readonly value: string
  readonly count: number
}

export interface Summary {
  /** False: the index is being built or is behind, and some integrations are counted as they were, or not at all. */
  readonly isComplete: boolean
  /** By state; also `unusable`. */
  readonly states: readonly Count[]
  /** The largest first, at most {@link LABELS_MAX}. */
  readonly labels: readonly Count[]
  readonly labelsLeftOut: number
  /** By the Monday of the week of the end, the earliest first. */
  readonly certificates: readonly Count[]
  /** By reason, the largest first. */
  readonly refusals: readonly Count[]
}

export interface SummaryDependencies {
  readonly listing: Pick<ListingIndex, 'counts' | 'select' | 'groupsOf' | 'stale'>
  readonly indexer: Pick<Indexer, 'catchUp'>
}

export const LABELS_MAX = 200
/** More than the weeks of twenty years. */
const GROUPS_MAX = 1_000
const PAGE = 1_000

type Counts = Readonly<
  Record<Family, { readonly groups: readonly GroupCount[]; readonly total: number }>
>

const countOf = ({ group, count }: GroupCount): Count => ({
  ...{ value: group.slice(group.indexOf('/') + 1), count },
})

export function createSummary({ listing, indexer }: SummaryDependencies) {
  const countsOfAll = async (): Promise<Counts> => {
    const counts = await Promise.all(
      FAMILIES.map((family) =>
        listing.counts(family, family === 'label' ? LABELS_MAX : GROUPS_MAX),
      ),
    )
    return Object.fromEntries(FAMILIES.map((family, at) => [family, counts[at]])) as Counts
  }

  /** Names that the principal may see, and some others, each once, with their groups. Undefined: the index cannot answer. */
  const reached = async function* (principal: Principal): AsyncGenerator<Reached | undefined> {
    const done = new Set<string>()
    for (const reach of reachesOf(principal)) {
      let after: string | undefined
      do {
        const found = await listing.select({
          ...{ ...reach, limit: PAGE },
          ...(after !== undefined && { after }),
        })
        if (!found) return yield undefined
        const names = found.names.filter((name) => !done.has(name))
        const groups = await listing.groupsOf(names)
        for (const [at, name] of names.entries()) {
          done.add(name)
          yield { name, groups: groups[at] ?? [] }
        }
        after = found.next ?? undefined
      } while (after !== undefined)
    }
  }

  /** Undefined: the index cannot answer. */
  const countsFor = async (principal: Principal): Promise<Counts | undefined> => {
    const counts = new Map<string, number>()
    for await (const one of reached(principal)) {
      if (!one) return undefined
      const { name, groups } = one
      if (!isShown(principal, { name, labels: labelsIn(groups) })) continue
      for (const group of groups) counts.set(group, (counts.get(group) ?? 0) + 1)
    }
    const of = (family: Family) => {
      const groups = [...counts]
        .filter(([group]) => group.startsWith(`${family}/`))
        .map(([group, count]) => ({ group, count }))
        .sort((a, b) => b.count - a.count || (a.group < b.group ? -1 : 1))
      const most = family === 'label' ? LABELS_MAX : GROUPS_MAX
      return { groups: groups.slice(0, most), total: groups.length }
    }
    return {
      state: of('state'),
      label: of('label'),
      certificate: of('certificate'),
      refusal: of('refusal'),
    }
  }

  return {
    /** Of the integrations that the principal may see. */
    async of(principal: Principal): Promise<Summary> {
      await indexer.catchUp()
      const isAll = allowsAll(principal, NAMED_IN_ANSWERS)
      const counts = isAll ? await countsOfAll() : await countsFor(principal)
      const { isWhole, items } = await listing.stale(1)
      const { state, label, certificate, refusal } = counts ?? NONE
      return {
        isComplete: counts !== undefined && isWhole && items.length === 0,
        states: state.groups.map(countOf),
        labels: label.groups.map(countOf),
        labelsLeftOut: Math.max(0, label.total - label.groups.length),
        certificates: certificate.groups.map(countOf).sort((a, b) => (a.value < b.value ? -1 : 1)),
        refusals: refusal.groups.map(countOf),
      }
    },
  }
}

interface Reached {
  readonly name: string
  readonly groups: readonly string[]
}

const NOTHING = { groups: [], total: 0 }
const NONE: Counts = { state: NOTHING, label: NOTHING, certificate: NOTHING, refusal: NOTHING }

/** A key has no colon, and a value may have some. */
function labelsIn(groups: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    groups
      .filter((group) => group.startsWith('label/'))
      .map((group) => {
        const colon = group.indexOf(':')
        return [group.slice('label/'.length, colon), group.slice(colon + 1)]
      }),
  )
}
