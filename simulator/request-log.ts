import type { Identified } from './exchange.ts'

/** Received requests and their answers. Contains the secrets of the tests in plain text. */
export interface RequestLog {
  /** Logs a request when it arrives. The returned function completes the entry. */
  open(arrived: Arrived): (end: Ended) => void
  /** The newest 10,000, oldest first. */
  entries(): readonly LogEntry[]
  counters(): Counters
  clear(): void
}

interface Arrived {
  readonly at: number
  readonly endpoint: string
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** The `Host` header. */
  readonly host: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  /** Undefined: the body was not a form. */
  readonly form: Readonly<Record<string, string>> | undefined
  readonly node: number
}

interface Ended {
  readonly identified: Identified
  readonly outcome: Outcome
}

export interface Outcome {
  /** False: a fault replaced the handling, so nothing was issued, revoked or counted. */
  readonly handled: boolean
  /** Status of the endpoint's answer, even if it was lost, or of the fault's answer. Null: the connection was reset. */
  readonly status: number | null
  /** The OAuth error, if any. */
  readonly error: string | null
  readonly errorDescription: string | null
  /** The kinds of the applied faults. */
  readonly faults: readonly string[]
}

export interface LogEntry extends Arrived, Identified {
  readonly serial: number
  /** Undefined: the request is not answered yet. */
  readonly outcome: Outcome | undefined
}

export interface Counters {
  /** All received requests, by endpoint. */
  readonly requests: Readonly<Record<string, number>>
  /** By grant (`none` if absent), then by outcome: `issued`, an OAuth error, or `fault`. */
  readonly tokenRequests: Readonly<Record<string, Readonly<Record<string, number>>>>
}

const ENTRIES_KEPT = 10_000

export function createRequestLog(): RequestLog {
  let serial = 0
  let entries = new Map<number, LogEntry>()
  let requests: Record<string, number> = {}
  let tokenRequests: Record<string, Record<string, number>> = {}

  return {
    open(arrived) {
      serial += 1
      const own = serial
      requests[arrived.endpoint] = (requests[arrived.endpoint] ?? 0) + 1
      const entry: LogEntry = { serial: own, ...arrived, outcome: undefined }
      entries.set(own, entry)
      for (const oldest of entries.keys()) {
        if (entries.size <= ENTRIES_KEPT) break
        entries.delete(oldest)
      }
      return ({ identified, outcome }) => {
        if (!entries.has(own)) return
        entries.set(own, { ...entry, ...identified, outcome })
        if (arrived.endpoint !== 'token') return
        const grant = arrived.form?.grant_type ?? 'none'
        const ofGrant = tokenRequests[grant] ?? {}
        const result = resultOf(outcome)
        tokenRequests[grant] = { ...ofGrant, [result]: (ofGrant[result] ?? 0) + 1 }
      }
    },
    entries: () => [...entries.values()],
    counters: () => ({ requests: { ...requests }, tokenRequests: { ...tokenRequests } }),
    clear() {
      entries = new Map()
      requests = {}
      tokenRequests = {}
    },
  }
}

function resultOf({ error, handled }: Outcome): string {
  if (error !== null) return error
  return handled ? 'issued' : 'fault'
}
