/** Counts of reads by principal and UTC day. */
import { type Static, Type } from 'typebox'

export const DayCount = Type.Object({
  /** Days since 1970. */
  day: Type.Number(),
  firstAt: Type.Number(),
  lastAt: Type.Number(),
  count: Type.Number(),
})

export type DayCount = Static<typeof DayCount>

/** By principal; days in ascending order. */
export type CountsByCaller = Map<string, DayCount[]>
export type ReadonlyCounts = ReadonlyMap<string, readonly Readonly<DayCount>[]>

export interface CallerRow {
  readonly principal: string
  readonly firstAt: number
  readonly lastAt: number
  readonly count: number
  /** Requests to Salesforce that it named. Absent: none. */
  readonly requests?: readonly RequestRow[]
}

/** Requests of one kind. */
export interface RequestRow {
  readonly principal: string
  readonly method: string
  /** As in a pattern: a star stands for versions, ids and other values. */
  readonly path: string
  readonly outcome: 'permitted' | 'refused'
  readonly firstAt: number
  readonly lastAt: number
  /** Since `firstAt`. */
  readonly count: number
}

const DAY_MS = 86_400_000
const DAYS = 30
/** Per integration. The principals with the oldest reads are dropped first. */
export const PRINCIPALS_MAX = 1_000

/** Returns the bucket of this day and creates it if necessary. */
export function bucketOf(counts: CountsByCaller, principal: string, at: number): DayCount {
  const day = Math.floor(at / DAY_MS)
  const days = counts.get(principal)
  const last = days?.at(-1)
  if (last?.day === day) return last
  const bucket = { day, firstAt: at, lastAt: at, count: 0 }
  if (days) days.push(bucket)
  else counts.set(principal, [bucket])
  return bucket
}

/** The sum of both, without days older than 30 days. */
export function merged(one: ReadonlyCounts, other: ReadonlyCounts, now: number): CountsByCaller {
  const oldest = Math.floor(now / DAY_MS) - DAYS
  const principals = new Set([...one.keys(), ...other.keys()])
  const all = [...principals]
    .map((principal) => {
      const days = [...(one.get(principal) ?? []), ...(other.get(principal) ?? [])]
      return [principal, addedUp(days.filter(({ day }) => day > oldest))] as const
    })
    .filter(([, days]) => days.length > 0)
  if (all.length > PRINCIPALS_MAX) {
    all.sort(([, a], [, b]) => lastOf(b) - lastOf(a))
    all.length = PRINCIPALS_MAX
  }
  return new Map(all)
}

export function rowsOf(counts: ReadonlyCounts, now: number): readonly CallerRow[] {
  return [...merged(counts, new Map(), now)]
    .map(([principal, days]) => ({
      principal,
      firstAt: Math.min(...days.map(({ firstAt }) => firstAt)),
      lastAt: lastOf(days),
      count: days.reduce((sum, { count }) => sum + count, 0),
    }))
    .sort((a, b) => (a.principal < b.principal ? -1 : 1))
}

function addedUp(days: readonly Readonly<DayCount>[]): DayCount[] {
  const byDay = new Map<number, DayCount>()
  for (const next of days) {
    const { day, firstAt, lastAt, count } = byDay.get(next.day) ?? { ...next, count: 0 }
    byDay.set(day, {
      day,
      firstAt: Math.min(firstAt, next.firstAt),
      lastAt: Math.max(lastAt, next.lastAt),
      count: count + next.count,
    })
  }
  return [...byDay.values()].sort((a, b) => a.day - b.day)
}

const lastOf = (days: readonly DayCount[]) => Math.max(...days.map(({ lastAt }) => lastAt))
