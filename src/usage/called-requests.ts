/** Which requests to Salesforce each principal makes, as far as this service is asked for them: methods, and paths in the form of patterns. */
import { type Static, Type } from 'typebox'
import type { CallerRow, RequestRow } from './caller-days.ts'

export type CalledRequest = Pick<RequestRow, 'principal' | 'method' | 'path' | 'outcome'>

/** `firstAt`, `lastAt`, `count`. */
const Seen = Type.Tuple([Type.Number(), Type.Number(), Type.Number()])

export const SeenRequests = Type.Array(Type.Tuple([Type.String(), Seen]))

type Seen = Readonly<Static<typeof Seen>>

/** By the text of {@link keyOf}. */
export type RequestCounts = Map<string, Seen>
export type ReadonlyRequestCounts = ReadonlyMap<string, Seen>

const KEPT_MS = 30 * 86_400_000
/** Per principal: as many patterns as a key can have. What is permitted stays before what is refused, then the last. */
export const REQUESTS_MAX = 64
/** Per integration. */
export const ALL_REQUESTS_MAX = 1_000

/** Only the principal may have spaces. */
const keyOf = ({ principal, method, path, outcome }: CalledRequest): string =>
  `${outcome} ${method} ${path} ${principal}`

function requestOf(key: string): CalledRequest {
  const [outcome, method = '', path = '', ...principal] = key.split(' ')
  return {
    ...{ principal: principal.join(' '), method, path },
    outcome: outcome === 'permitted' ? outcome : 'refused',
  }
}

/** Counts it. Beyond the bound, new kinds of requests wait for the next write. */
export function noteRequest(counts: RequestCounts, request: CalledRequest, at: number): void {
  const key = keyOf(request)
  const known = counts.get(key)
  if (!known && counts.size >= ALL_REQUESTS_MAX) return
  const [firstAt, , count] = known ?? [at, at, 0]
  counts.set(key, [firstAt, at, count + 1])
}

/** The sum of both, without what nobody asked for in the last 30 days, and within the bounds. */
export function mergedRequests(
  one: ReadonlyRequestCounts,
  other: ReadonlyRequestCounts,
  now: number,
): RequestCounts {
  const all = new Map(one)
  for (const [key, seen] of other) {
    const known = all.get(key)
    all.set(key, known ? sum(known, seen) : seen)
  }
  const rows = [...all].filter(([, [, lastAt]]) => lastAt > now - KEPT_MS)
  if (rows.length <= REQUESTS_MAX) return new Map(rows)
  rows.sort(([oneKey, a], [otherKey, b]) => weight(oneKey) - weight(otherKey) || b[1] - a[1])
  const ofPrincipal = new Map<string, number>()
  const kept = rows.filter(([key]) => {
    const { principal } = requestOf(key)
    const count = (ofPrincipal.get(principal) ?? 0) + 1
    ofPrincipal.set(principal, count)
    return count <= REQUESTS_MAX
  })
  return new Map(kept.slice(0, ALL_REQUESTS_MAX))
}

export const requestRows = (counts: ReadonlyRequestCounts): readonly RequestRow[] =>
  [...counts]
    .map(([key, [firstAt, lastAt, count]]) => ({ ...requestOf(key), firstAt, lastAt, count }))
    .sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))

/** Gives each principal its requests. One that was only refused gets a row without tokens. */
export function withRequests(
  rows: readonly CallerRow[],
  requests: readonly RequestRow[],
): readonly CallerRow[] {
  if (requests.length === 0) return rows
  const byPrincipal = Map.groupBy(requests, ({ principal }) => principal)
  const known = new Set(rows.map(({ principal }) => principal))
  const others = [...byPrincipal]
    .filter(([principal]) => !known.has(principal))
    .map(([principal, own]) => ({
      principal,
      firstAt: Math.min(...own.map(({ firstAt }) => firstAt)),
      lastAt: Math.max(...own.map(({ lastAt }) => lastAt)),
      count: 0,
    }))
  return [...rows, ...others]
    .sort((a, b) => (a.principal < b.principal ? -1 : 1))
    .map((row) => {
      const own = byPrincipal.get(row.principal)
      return own ? { ...row, requests: own } : row
    })
}

const placeOf = ({ path, method, outcome }: CalledRequest) => `${path} ${method} ${outcome}`

const weight = (key: string): number => (requestOf(key).outcome === 'permitted' ? 0 : 1)

const sum = (one: Seen, other: Seen): Seen => [
  Math.min(one[0], other[0]),
  Math.max(one[1], other[1]),
  one[2] + other[2],
]

/** What patterns may have in a segment, without what separates parts of a value. */
const LITERAL = /^[A-Za-z0-9._~!$&'()+-]{1,40}$/
const VERSION = /v\d{1,3}\.\d/
/** An id of Salesforce, 15 or 18 characters with a digit, or a place in a result: an id and a number. */
const RECORD_ID = /(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?(?:-\d+)?/
const NUMBER = /\d+/
const UUID = /[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}/
/** One expression, because each proof asks for each segment. */
const OWN_VALUE = new RegExp(
  `^(?:${[VERSION, RECORD_ID, NUMBER, UUID].map(({ source }) => source).join('|')})$`,
)
/** In `sobjects/Account/Key__c/value/…`, how far the value is behind. */
const VALUE = 3
const SEGMENTS_MAX = 12

/** The path as the smallest pattern that people would write. It holds no value of a record. */
export function shapeOf(path: string): string {
  const segments = path.replace(/\/$/, '').split('/').slice(1)
  const values = segments.indexOf('sobjects') + VALUE
  const hasValues = segments.includes('sobjects')
  const shaped = segments
    .slice(0, SEGMENTS_MAX)
    .map((segment, at) => (isLiteral(segment) && !(hasValues && at === values) ? segment : '*'))
  return `/${shaped.join('/')}${segments.length > SEGMENTS_MAX ? '/*' : ''}`
}

const isLiteral = (segment: string): boolean => LITERAL.test(segment) && !OWN_VALUE.test(segment)
