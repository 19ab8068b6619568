/** Current failures of Redis. Reports each one when it begins and then periodically. */
import type { RedisCause } from './cause.ts'
import { spokenAt } from './diagnosis.ts'
import type { ConnectionRole } from './errors.ts'
import { placeText, type RedisPlace, type RedisTrouble, redisTrouble } from './errors.ts'

export interface RedisTroubles {
  /** Interprets an error, and reports it if it is new. */
  note(error: unknown, where: Where): RedisTrouble
  add(trouble: RedisTrouble, role: ConnectionRole): void
  /** The connection works, so its failures are over. */
  over(role: ConnectionRole): void
  /** The latest recent failure, of one connection or of any. */
  latest(role?: ConnectionRole): RedisTrouble | undefined
  counts(): ReadonlyMap<RedisCause, number>
}

interface Where {
  readonly role: ConnectionRole
  readonly place: RedisPlace
  readonly command?: string
  /** The connection was not established, so TLS may be the cause. */
  readonly isConnecting?: boolean
}

interface TroublesDependencies {
  readonly isTls: () => boolean
  readonly tell: (trouble: RedisTrouble, role: ConnectionRole) => void
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  /** Default: connects to the server. */
  readonly spokenAt?: typeof spokenAt
}

/** Interval of reports of the same failure of the same server. */
const TELL_MS = 30_000
/** Interval of protocol probes. */
const ASK_MS = 2_000
/** A failure that does not recur for this time is over. */
const PAST_MS = 30_000
/** Within this time, a second error only reports the closed connection. */
const SAME_EVENT_MS = 2_000

interface Met {
  readonly trouble: RedisTrouble
  readonly role: ConnectionRole
  readonly at: number
}

export function createRedisTroubles(dependencies: TroublesDependencies): RedisTroubles {
  const { isTls, tell, monotonic } = dependencies
  const ask = dependencies.spokenAt ?? spokenAt
  const told = new Map<string, number>()
  const counted = new Map<RedisCause, number>()
  /** By role, server and cause; the latest one is last. */
  const met = new Map<string, Met>()
  const diagnoses = new Map<string, { readonly at: number; readonly cause?: RedisCause }>()
  const diagnosing = new Set<string>()

  const isRecent = (at: number | undefined, ms: number) => at !== undefined && monotonic() - at < ms

  /** Nodes of a Cluster change, each with its own address. */
  const forgetPast = () => {
    for (const [key, { at }] of met) if (!isRecent(at, PAST_MS)) met.delete(key)
    for (const [news, at] of told) if (!isRecent(at, TELL_MS)) told.delete(news)
    for (const [place, { at }] of diagnoses) if (!isRecent(at, TELL_MS)) diagnoses.delete(place)
  }

  const add = (trouble: RedisTrouble, role: ConnectionRole) => {
    forgetPast()
    const place = placeText(trouble.place)
    const key = `${role} ${place} ${trouble.cause}`
    met.delete(key)
    met.set(key, { trouble, role, at: monotonic() })
    counted.set(trouble.cause, (counted.get(trouble.cause) ?? 0) + 1)
    const news = `${place} ${trouble.cause}`
    if (isRecent(told.get(news), TELL_MS)) return
    told.set(news, monotonic())
    tell(trouble, role)
  }

  const diagnose = async (trouble: RedisTrouble, role: ConnectionRole) => {
    const { host, port } = trouble.place
    const place = placeText(trouble.place)
    if (port === undefined || diagnosing.has(place)) return
    diagnosing.add(place)
    const spoken = await ask(host, port)
    diagnosing.delete(place)
    const cause = mismatch(spoken, isTls())
    diagnoses.set(place, { at: monotonic(), ...(cause && { cause }) })
    add(cause ? { ...trouble, cause } : trouble, role)
  }

  /** Whether another error for the same event is more specific. */
  const isEcho = ({ cause, place }: RedisTrouble) =>
    cause === 'closed' &&
    [...met.values()].some(
      ({ trouble, at }) =>
        trouble.cause !== 'closed' &&
        placeText(trouble.place) === placeText(place) &&
        isRecent(at, SAME_EVENT_MS),
    )

  const known = (trouble: RedisTrouble): RedisTrouble => {
    const diagnosis = diagnoses.get(placeText(trouble.place))
    if (!isRecent(diagnosis?.at, TELL_MS) || !diagnosis?.cause) return trouble
    return { ...trouble, cause: diagnosis.cause }
  }

  const isVague = ({ cause }: RedisTrouble) => cause === 'closed' || cause === 'no_answer'

  return {
    note(error, { role, place, command, isConnecting = false }) {
      const found = redisTrouble(error, place, command)
      const trouble = isConnecting && isVague(found) ? known(found) : found
      if (isEcho(trouble)) return trouble
      const diagnosis = diagnoses.get(placeText(place))
      const hasAsked = isRecent(diagnosis?.at, diagnosis?.cause ? TELL_MS : ASK_MS)
      if (isConnecting && isVague(trouble) && !hasAsked) void diagnose(trouble, role)
      else add(trouble, role)
      return trouble
    },
    add,
    over(role) {
      for (const [key, one] of met) if (one.role === role) met.delete(key)
      diagnoses.clear()
    },
    latest(role) {
      return [...met.values()]
        .filter((one) => (role === undefined || one.role === role) && isRecent(one.at, PAST_MS))
        .at(-1)?.trouble
    },
    counts: () => counted,
  }
}

function mismatch(spoken: 'plain' | 'tls' | undefined, isTls: boolean): RedisCause | undefined {
  if (spoken === 'tls' && !isTls) return 'tls_expected'
  return spoken === 'plain' && isTls ? 'tls_unexpected' : undefined
}
