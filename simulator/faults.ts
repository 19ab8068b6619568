import type { Answer } from './answer.ts'
import type { RefusalName } from './refusals.ts'
import type { RestRefusalName } from './rest-refusals.ts'

/** What goes wrong on purpose: which requests it befalls, how often, and what it does to them. */
export type Fault =
  /** Answers late, by real time. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Answers once the fault is released or removed. */
  | { readonly kind: 'hold' }
  /** Answers with one of Salesforce's refusals. */
  | { readonly kind: 'refusal'; readonly refusal: RefusalName }
  /** Answers with one of the refusals of the REST API. */
  | { readonly kind: 'rest_refusal'; readonly refusal: RestRefusalName }
  /** Answers with anything. */
  | { readonly kind: 'answer'; readonly answer: Partial<Answer> }
  /** A maintenance page. Status 503 by default. */
  | { readonly kind: 'html'; readonly status?: number }
  /** No body. Status 200 by default. */
  | { readonly kind: 'empty'; readonly status?: number }
  /** Text that is not quite JSON, said to be JSON. */
  | { readonly kind: 'invalid_json' }
  /** Status 302 by default. */
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: number }
  /** Status 429, with `Retry-After` where given. */
  | { readonly kind: 'too_many_requests'; readonly retryAfter?: string }
  /** The connection is reset in place of an answer. */
  | { readonly kind: 'reset' }
  /** The true answer, cut in half, under the length of the whole. */
  | { readonly kind: 'truncated' }
  /** The true answer in more than 64 KiB (or as many bytes as named). */
  | { readonly kind: 'oversize'; readonly bytes?: number }
  /** 300 MB of body (or as many bytes as named), as fast as they go; with `gzip`, a few hundred KB on the wire. */
  | { readonly kind: 'flood'; readonly bytes?: number; readonly gzip?: boolean }
  /** One byte of body each 100 ms (or as named), until the other side gives up. */
  | { readonly kind: 'drip'; readonly intervalMs?: number }
  /** The true answer with members set (to any JSON) or removed. */
  | {
      readonly kind: 'members'
      readonly set?: Readonly<Record<string, unknown>>
      readonly remove?: readonly string[]
    }
  /** The true answer with an `instance_url` that is none of Salesforce's. */
  | { readonly kind: 'foreign_instance_url'; readonly instanceUrl?: string }

export interface FaultScope {
  /** Default `token`. */
  readonly endpoint?: EndpointName | 'any'
  /** The next so many requests; null: until it is removed. Default 1. */
  readonly times?: number | null
  /** Only requests of this consumer key. */
  readonly clientId?: string
  /** The request is handled first, so that what it changes is changed; then its answer is lost or replaced. */
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

/** A fault that was ordered. */
export interface FaultHandle {
  readonly id: number
  /** How many requests it has befallen. */
  hits(): number
  /** How many requests a `hold` is holding now. */
  holding(): number
  /** Takes it away; what it holds goes on. */
  remove(): void
}

export interface Faults {
  add(rule: FaultRule): FaultHandle
  find(id: number): FaultHandle | undefined
  list(): readonly (FaultRule & { readonly id: number; readonly hits: number })[]
  clear(): void
  /** The faults that befall this request: every `delay` and `hold`, and the first of another kind. Counts them. */
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
