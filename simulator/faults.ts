import type { Answer } from './answer.ts'
import type { RefusalName } from './refusals.ts'
import type { RestRefusalName } from './rest-refusals.ts'

/** A fault: which requests it affects, how often, and its effect. */
export type Fault =
  /** Answers after a delay in real time. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Answers after the fault is released or removed. */
  | { readonly kind: 'hold' }
  /** Answers with one of Salesforce's refusals. */
  | { readonly kind: 'refusal'; readonly refusal: RefusalName }
  /** Answers with one of the refusals of the REST API. */
  | { readonly kind: 'rest_refusal'; readonly refusal: RestRefusalName }
  /** Answers with this answer. */
  | { readonly kind: 'answer'; readonly answer: Partial<Answer> }
  /** A maintenance page. Status 503 by default. */
  | { readonly kind: 'html'; readonly status?: number }
  /** No body. Status 200 by default. */
  | { readonly kind: 'empty'; readonly status?: number }
  /** Invalid JSON with the content type of JSON. */
  | { readonly kind: 'invalid_json' }
  /** Status 302 by default. */
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: number }
  /** Status 429, with `Retry-After` if given. */
  | { readonly kind: 'too_many_requests'; readonly retryAfter?: string }
  /** Resets the connection instead of an answer. */
  | { readonly kind: 'reset' }
  /** Half of the real answer, with the length of the whole. */
  | { readonly kind: 'truncated' }
  /** The real answer with more than 64 KiB, or the given number of bytes. */
  | { readonly kind: 'oversize'; readonly bytes?: number }
  /** A body of 300 MB, or the given number of bytes, as fast as possible. With `gzip`, a few hundred KB on the wire. */
  | { readonly kind: 'flood'; readonly bytes?: number; readonly gzip?: boolean }
  /** One byte of body each 100 ms, or the given interval, until the client gives up. */
  | { readonly kind: 'drip'; readonly intervalMs?: number }
  /** The real answer with members set (to any JSON) or removed. */
  | {
      readonly kind: 'members'
      readonly set?: Readonly<Record<string, unknown>>
      readonly remove?: readonly string[]
    }
  /** The real answer with an `instance_url` that does not belong to Salesforce. */
  | { readonly kind: 'foreign_instance_url'; readonly instanceUrl?: string }

export interface FaultScope {
  /** Default `token`. */
  readonly endpoint?: EndpointName | 'any'
  /** Number of requests that it affects. Null: until it is removed. Default 1. */
  readonly times?: number | null
  /** Only requests of this consumer key. */
  readonly clientId?: string
  /** The request is handled first, with its changes. Then its answer is lost or replaced. */
  readonly afterCommit?: boolean
}

export type EndpointName =
  | 'token'
  | 'introspect'
  | 'revoke'
  | 'userinfo'
  | 'identity'
  | 'discovery'
  | 'metadata'
  | 'credentials'
  | 'keys'
  | 'authorize'
  | 'connect'
  | 'data_cloud'
  | 'rest'
  | 'soap'
  | 'unknown'

export type FaultRule = Fault & FaultScope

export const FAULT_KINDS: readonly Fault['kind'][] = [
  'delay',
  'hold',
  'refusal',
  'rest_refusal',
  'answer',
  'html',
  'empty',
  'invalid_json',
  'redirect',
  'too_many_requests',
  'reset',
  'truncated',
  'oversize',
  'flood',
  'drip',
  'members',
  'foreign_instance_url',
]

/** An active or used fault. */
export interface FaultHandle {
  readonly id: number
  /** Number of requests that it affected. */
  hits(): number
  /** Number of requests that a `hold` delays now. */
  holding(): number
  /** Removes it. Requests that it holds continue. */
  remove(): void
}

export interface Faults {
  add(rule: FaultRule): FaultHandle
  find(id: number): FaultHandle | undefined
  list(): readonly (FaultRule & { readonly id: number; readonly hits: number })[]
  clear(): void
  /** The faults for this request: every `delay` and `hold`, and the first of another kind. Counts them. */
  take(endpoint: EndpointName, clientId: string | undefined): readonly TakenFault[]
}

export interface TakenFault {
  readonly rule: FaultRule
  /** Resolves when a `hold` is over. */
  held(): Promise<void>
}

interface Ordered {
  readonly id: number
  readonly rule: FaultRule
  readonly left: number
  readonly hits: number
}

export function createFaults(): Faults {
  let lastId = 0
  const ordered = new Map<number, Ordered>()
  const handles = new Map<number, FaultHandle>()
  const hits = new Map<number, number>()
  const waiting = new Map<number, Set<() => void>>()

  function remove(id: number): void {
    ordered.delete(id)
    for (const goOn of waiting.get(id) ?? []) goOn()
    waiting.delete(id)
  }

  function hold(id: number): Promise<void> {
    return new Promise((goOn) => {
      const others = waiting.get(id) ?? new Set()
      waiting.set(id, others.add(goOn))
    })
  }

  function count({ id, rule, left, hits: before }: Ordered): void {
    hits.set(id, before + 1)
    if (left > 1) ordered.set(id, { id, rule, left: left - 1, hits: before + 1 })
    else ordered.delete(id)
  }

  return {
    add(rule) {
      lastId += 1
      const id = lastId
      ordered.set(id, { id, rule, left: timesOf(rule), hits: 0 })
      const handle: FaultHandle = {
        id,
        hits: () => hits.get(id) ?? 0,
        holding: () => waiting.get(id)?.size ?? 0,
        remove: () => remove(id),
      }
      handles.set(id, handle)
      return handle
    },
    find: (id) => handles.get(id),
    list: () => [...ordered.values()].map(({ id, rule, hits }) => ({ ...rule, id, hits })),
    clear() {
      for (const id of new Set([...ordered.keys(), ...waiting.keys()])) remove(id)
    },
    take(endpoint, clientId) {
      const matching = [...ordered.values()].filter(({ rule }) => befalls(rule, endpoint, clientId))
      const [first] = matching.filter(({ rule }) => !isWait(rule))
      const taken = matching.filter((one) => isWait(one.rule) || one === first)
      for (const one of taken) count(one)
      return taken.map(({ id, rule }) => ({
        rule,
        held: () => (rule.kind === 'hold' ? hold(id) : Promise.resolve()),
      }))
    },
  }
}

export function isWait({ kind }: Fault): boolean {
  return kind === 'delay' || kind === 'hold'
}

function befalls(rule: FaultRule, endpoint: EndpointName, clientId: string | undefined): boolean {
  const { endpoint: wanted = 'token' } = rule
  const isPlace = wanted === 'any' || wanted === endpoint
  return isPlace && (rule.clientId === undefined || rule.clientId === clientId)
}

function timesOf({ times = 1 }: FaultScope): number {
  return times ?? Number.POSITIVE_INFINITY
}
