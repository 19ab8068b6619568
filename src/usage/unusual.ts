/** What is unusual in the reads of an integration. Pure. */
import {
  busiestHour,
  type DayCount,
  oldestDay,
  PRINCIPALS_MAX,
  type ReadonlyCounts,
} from './caller-days.ts'

/** Audited actions that an operator looks at, although nothing is refused. */
export const UNUSUAL_ACTIONS = [
  'caller.new',
  'caller.new_network',
  'caller.unusual_rate',
  'scope.changed',
  'instance.changed',
] as const

export type UnusualAction = (typeof UNUSUAL_ACTIONS)[number]

export const isUnusual = (action: string): action is UnusualAction =>
  (UNUSUAL_ACTIONS as readonly string[]).includes(action)

export type Unusual =
  /** The principal did not read it in the last 30 days. */
  | { readonly action: 'caller.new'; readonly principal: string }
  /** It reads from a network that it did not use in 30 days. `network` is as it is stored. */
  | { readonly action: 'caller.new_network'; readonly principal: string; readonly network: string }
  /** It read far more within an hour than in the busiest hour of the days before, `usual`. */
  | {
      readonly action: 'caller.unusual_rate'
      readonly principal: string
      readonly reads: number
      readonly usual: number
    }

/** The stored reads, those since the last write, and both together. */
interface Reads {
  readonly before: ReadonlyCounts
  readonly fresh: ReadonlyCounts
  readonly after: ReadonlyCounts
}

const DAY_MS = 86_400_000
/** How many times the reads of the busiest hour before. */
const TIMES = 10
/** Fewer reads in an hour are never unusual. */
const READS_MIN = 60

/** Principals among `fresh` that are new. Nobody is on the first day, or if there are so many that the oldest are forgotten. */
export function newCallers(
  { before, fresh, after }: Reads,
  { since, now }: { readonly since: number; readonly now: number },
): readonly Unusual[] {
  if (now - since < DAY_MS || after.size >= PRINCIPALS_MAX) return []
  const oldest = oldestDay(now)
  return [...fresh.keys()]
    .filter((principal) => !before.get(principal)?.some(({ day }) => day >= oldest))
    .map((principal) => ({ action: 'caller.new', principal }))
}

/** Principals among `fresh` that read more now than ever. Once a day for each: it is unusual `after` these reads, and was not `before`. */
export function unusualRates({ before, fresh, after }: Reads, now: number): readonly Unusual[] {
  return [...fresh.keys()].flatMap((principal) => {
    const days = after.get(principal) ?? []
    const today = days.at(-1)
    const earlier = days.slice(0, -1)
    const [first] = earlier
    if (!today || !first || now - first.firstAt < DAY_MS) return []
    const usual = Math.max(...earlier.map(busiestHour))
    const most = Math.max(READS_MIN, TIMES * usual)
    const reads = busiestHour(today)
    const isNew = reads >= most && busiestHour(dayIn(before, principal, today.day)) < most
    return isNew ? [{ action: 'caller.unusual_rate', principal, reads, usual }] : []
  })
}

const NO_READS: Readonly<DayCount> = { day: 0, firstAt: 0, lastAt: 0, count: 0 }

const dayIn = (counts: ReadonlyCounts, principal: string, day: number): Readonly<DayCount> =>
  counts.get(principal)?.findLast((one) => one.day === day) ?? NO_READS
