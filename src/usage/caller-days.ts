/** Counts of reads by principal and UTC day. */
import { type Static, Type } from 'typebox'

export const DayCount = Type.Object({
  /** Days since 1970. */
  day: Type.Number(),
  firstAt: Type.Number(),
  lastAt: Type.Number(),
  count: Type.Number(),
  /** The last hour with reads, in hours since 1970. Kept for the last day only. */
  hour: Type.Optional(Type.Number()),
  /** Reads in it. */
  inHour: Type.Optional(Type.Number()),
  /** Most reads in one of the other hours. Absent: a former release wrote it. */
  peak: Type.Optional(Type.Number()),
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
  /** Networks that it used, the last ones first. Absent: none is stored. */
  readonly networks?: readonly NetworkRow[]
}

interface NetworkRow {
  /** A keyed hash, or the network where the setting says so. */
  readonly network: string
  /** The last day, as `YYYY-MM-DD` in UTC. */
  readonly lastOn: string
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
const HOUR_MS = 3_600_000
const DAYS = 30
/** Per integration. The principals with the oldest reads are dropped first. */
export const PRINCIPALS_MAX = 1_000

/** The first day that counts. */
export const oldestDay = (now: number): number => Math.floor(now / DAY_MS) - DAYS + 1

/** Counts one read. */
export function countRead(counts: CountsByCaller, principal: string, at: number): void {
  const bucket = bucketOf(counts, principal, at)
  const hour = Math.floor(at / HOUR_MS)
  if (bucket.hour !== hour) {
    bucket.peak = busiestHour(bucket)
    bucket.hour = hour
    bucket.inHour = 0
  }
  bucket.inHour = (bucket.inHour ?? 0) + 1
  bucket.lastAt = at
  bucket.count += 1
}

/** Reads in the busiest hour of the day. Not known: all reads of the day, which is not less. */
export const busiestHour = ({ count, peak, inHour = 0 }: Readonly<DayCount>): number =>
  peak === undefined ? count : Math.max(peak, inHour)

/** The bucket of this day, which is created if necessary. */
function bucketOf(counts: CountsByCaller, principal: string, at: number): DayCount {
  const day = Math.floor(at / DAY_MS)
  const days = counts.get(principal)
  const last = days?.at(-1)
  if (last?.day === day) return last
  const bucket = { day, firstAt: at, lastAt: at, count: 0, hour: 0, inHour: 0, peak: 0 }
  if (days) days.push(bucket)
  else counts.set(principal, [bucket])
  return bucket
}

/** The sum of both, without days older than 30 days. */
export function merged(one: ReadonlyCounts, other: ReadonlyCounts, now: number): CountsByCaller {
  const oldest = oldestDay(now)
  const principals = new Set([...one.keys(), ...other.keys()])
  const all = [...principals]
    .map((principal) => {
      const days = [...(one.get(principal) ?? []), ...(other.get(principal) ?? [])]
      return [principal, addedUp(days.filter(({ day }) => day >= oldest))] as const
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
  const byDay = new Map<number, Readonly<DayCount>>()
  for (const next of days) {
    const known = byDay.get(next.day)
    byDay.set(next.day, known ? sumOf(known, next) : next)
  }
  const all = [...byDay.values()].sort((a, b) => a.day - b.day)
  return all.map((day, place) => (place === all.length - 1 ? day : pastOf(day)))
}

function sumOf(one: Readonly<DayCount>, other: Readonly<DayCount>): DayCount {
  const hour = Math.max(one.hour ?? 0, other.hour ?? 0)
  const both = [one, other]
  const isInHour = (of: Readonly<DayCount>) => of.hour === hour
  return {
    day: one.day,
    firstAt: Math.min(one.firstAt, other.firstAt),
    lastAt: Math.max(one.lastAt, other.lastAt),
    count: one.count + other.count,
    hour,
    inHour: both.filter(isInHour).reduce((sum, { inHour = 0 }) => sum + inHour, 0),
    peak: Math.max(...both.map((of) => (isInHour(of) ? of.peak : undefined) ?? busiestHour(of))),
  }
}

/** Without what only the last day needs. */
const pastOf = (past: Readonly<DayCount>): DayCount => {
  const { hour: _hour, inHour: _inHour, ...day } = past
  return past.hour === undefined ? day : { ...day, peak: busiestHour(past) }
}

const lastOf = (days: readonly DayCount[]) => Math.max(...days.map(({ lastAt }) => lastAt))
