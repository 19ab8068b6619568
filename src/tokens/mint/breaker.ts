/**
 * Breaker: stops logins at what is ill, and finds out with single logins when it is well again.
 *
 * A failure to connect (DNS, connection, TLS, proxy) rests the host, because no integration can log
 * in there. Everything that happens after the connection rests the client: one integration at one
 * host. A shared login host serves many orgs and apps, and an answer, or its absence, is about one
 * of them: its org is in maintenance, or its app is over a limit. The key of a client has the uid
 * of the integration and not its client id, because the same app may be used in several orgs.
 *
 * A probe is due a second after the first failure and a second after that, then each 1.7 seconds. A
 * lock with this life in the store makes one probe of the fleet of it; nobody renews or releases it. A
 * failure of a login that began before the end of the rest does not count. Older releases ignore what
 * is announced. Temporary failures are remembered for the fleet (for the status), but without a pause of
 * their own, unless Salesforce asked for one with `Retry-After`. An answer that cannot be read opens no
 * breaker: its refusal is remembered for a second.
 */
import { BrokerError, type BrokerErrorOptions, isStoreTrouble } from '../../errors/errors.ts'
import { grantOf } from '../../grants/index.ts'
import { isAtSource } from '../../grants/refusals/refusals.ts'
import { type Hop, isBeforeRequest } from '../../http/outbound/hop.ts'
import type { Integration } from '../../integrations/integration.ts'
import type { Log } from '../../runtime/runtime.ts'
import type { Change, Changes, Locks } from '../../store/store.ts'
import { isTransient, saysNothing, whileResting } from './refusal-memory.ts'
import { askedPauseMs } from './retry.ts'

export type Breaker = ReturnType<typeof createBreaker>

interface BreakerDependencies {
  /** Of the whole fleet. */
  readonly locks: Pick<Locks, 'acquire'>
  /** Tells the other replicas. */
  readonly changes: Pick<Changes, 'announce'>
  readonly uniqueId: () => string
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** The part of an integration that decides where it logs in. */
type Client = Pick<Integration, 'name' | 'uid' | 'loginUrl' | 'grant'>

/**
 * From one probe to the next: the first value once, then the second. With the wait of a replica
 * for the lock of another one, it is below two seconds.
 */
const INTERVAL_MS = { first: 1_000, usual: 1_700 }
/** A replica whose probe is not due, because another one has the lock, tries again after this time. */
const POLL_MS = 250
/** A target that did not fail for so long does not rest any more. Then the next login is a usual one. */
const QUIET_MS = 60_000
/** A replica repeats to the others that a target rests, at this interval, so that they do not forget it. */
const REPEAT_MS = 20_000
/** Most remembered targets. The oldest is forgotten first. */
const TARGETS = 10_000

/** What the last failure tells callers: its hop and remedy, or the whole refusal. */
interface Known extends Pick<BrokerErrorOptions, 'members' | 'remedy' | 'status'> {
  readonly refusal?: string
}

interface Rest {
  /** Failures in a row that this replica saw. */
  readonly failures: number
  readonly since: number
  /** Last failure that this replica saw or heard of. */
  readonly failedAt: number
  /** Salesforce asked for it with `Retry-After`. */
  readonly pausedUntil: number
  readonly probeAt: number
  readonly intervalMs: number
  /** Last time this replica told the others. */
  readonly toldAt: number
  readonly known: Known
}

const NEVER = Number.NEGATIVE_INFINITY
/** A target that this replica only heard of. */
const UNSEEN = { failures: 0, known: {} } as const

/** Log messages and the detail for callers. */
const WORDS = {
  host: {
    ill: 'the login host fails',
    over: 'the login host answers again',
    refused: 'The login host cannot be reached, and is temporarily not called',
  },
  client: {
    ill: 'the logins of an integration fail',
    over: 'the logins of an integration work again',
    refused: 'Salesforce failed for this integration, and is temporarily not asked for it',
  },
} as const

export function createBreaker(dependencies: BreakerDependencies) {
  const { locks, changes, uniqueId, monotonic, log } = dependencies
  const self = uniqueId()
  const targets = new Map<string, Rest>()
  /** When the rest of a target ended. A login that began before says nothing new. */
  const endedAt = new Map<string, number>()

  const keep = (target: string, rest: Rest): void => {
    targets.set(target, rest)
    forgetOldest(targets)
  }

  /** Undefined: it does not rest. */
  const restOf = (target: string): Rest | undefined => {
    const rest = targets.get(target)
    const now = monotonic()
    return rest && (rest.pausedUntil > now || rest.failedAt + QUIET_MS > now) ? rest : undefined
  }

  /** The client first: a probe that another replica makes for it does not spend the probe of the host. */
  const restsOf = (client: Client): readonly string[] =>
    [clientOf(client), hostOf(client)].filter((target) => restOf(target) !== undefined)

  const tell = (target: string, isResting: boolean): void => {
    changes.announce({ type: 'login', target, isResting, by: self }).catch((error: unknown) => {
      // Without the store, each replica decides alone. That the store is away has its own warning.
      if (!isStoreTrouble(error))
        log.warn({ err: error }, 'the other replicas were not told that logins rest')
    })
  }

  const end = (target: string): Rest | undefined => {
    const rest = targets.get(target)
    if (!rest) return undefined
    targets.delete(target)
    endedAt.set(target, monotonic())
    forgetOldest(endedAt)
    return rest
  }

  const succeeded = (client: Client, target: string): void => {
    const rest = end(target)
    if (!rest) return
    tell(target, false)
    if (rest.failures === 0) return
    const seconds = Math.round((monotonic() - rest.since) / 1000)
    log.info(
      { ...shown(client, target), count: rest.failures, seconds },
      WORDS[kindOf(target)].over,
    )
  }

  /** Logs the first failure in a row, and at the end their count. */
  const failed = (client: Client, target: string, error: unknown): void => {
    const now = monotonic()
    const resting = restOf(target)
    const { failures, since } = targets.get(target) ?? { ...UNSEEN, since: now }
    const isNews = !resting || now - resting.toldAt >= REPEAT_MS
    keep(target, {
      ...{ failures: failures + 1, since, failedAt: now, known: knownOf(error) },
      pausedUntil: now + askedPauseMs(error),
      probeAt: resting?.probeAt ?? now + INTERVAL_MS.first,
      intervalMs: resting?.intervalMs ?? INTERVAL_MS.first,
      toldAt: isNews ? now : resting.toldAt,
    })
    if (isNews) tell(target, true)
    if (failures === 0)
      log.warn({ ...shown(client, target), err: error }, WORDS[kindOf(target)].ill)
  }

  /** Callers ask again then. */
  const refused = (target: string, { pausedUntil, probeAt, known }: Rest): BrokerError => {
    const retryAfterMs = Math.max(pausedUntil, probeAt) - monotonic()
    const { refusal, ...told } = known
    const code = refusal === undefined ? 'salesforce_unavailable' : 'grant_refused'
    return whileResting(code, refusal ?? WORDS[kindOf(target)].refused, {
      ...{ retryAfterMs: Math.max(retryAfterMs, POLL_MS), ...told },
    })
  }

  /** Whether no replica made this probe yet. Without the store, this replica decides alone. */
  const isOurs = async (target: string, forMs: number): Promise<boolean> => {
    try {
      return await locks.acquire(`rest:${target}`, uniqueId(), forMs)
    } catch (error) {
      if (isStoreTrouble(error)) return true
      throw error
    }
  }

  /** Throws if the probe is not due. Until the first `await`, so that one caller of this process gets it. */
  const take = async (resting: readonly string[]): Promise<void> => {
    const now = monotonic()
    const found = resting.flatMap((target) => {
      const rest = restOf(target)
      return rest ? [{ target, rest }] : []
    })
    for (const { target, rest } of found) {
      if (Math.max(rest.pausedUntil, rest.probeAt) > now) throw refused(target, rest)
    }
    for (const { target, rest } of found) {
      const { intervalMs } = rest
      keep(target, { ...rest, probeAt: now + intervalMs, intervalMs: INTERVAL_MS.usual })
    }
    for (const { target, rest } of found) {
      if (await isOurs(target, rest.intervalMs)) continue
      const waiting = { ...(restOf(target) ?? rest), probeAt: monotonic() + POLL_MS }
      if (targets.has(target)) keep(target, waiting)
      throw refused(target, waiting)
    }
  }

  return {
    /** Undefined: nothing rests where this integration logs in. Otherwise resolves for the one caller of the fleet that may try one login now, and throws `salesforce_unavailable`, or the temporary `grant_refused`, for all others, at once. */
    probe(client: Client): Promise<void> | undefined {
      const resting = restsOf(client)
      return resting.length === 0 ? undefined : take(resting)
    },
    isResting: (client: Client): boolean => restsOf(client).length > 0,
    /** Throws the same while something rests where this integration logs in. */
    check(client: Client): void {
      const [target] = restsOf(client)
      const rest = target === undefined ? undefined : restOf(target)
      if (target !== undefined && rest) throw refused(target, rest)
    },
    /** Records the end of a login that began at `begunAt` of the monotonic clock. Without an error, it succeeded. */
    ended(client: Client, begunAt: number, error?: unknown): void {
      if (saysNothing(error) || isAtSource(error)) return
      const isIll = isTransient(error)
      const ill = isIll && isUnconnected(client, error) ? hostOf(client) : clientOf(client)
      if (ill !== hostOf(client)) succeeded(client, hostOf(client))
      if (!isIll) succeeded(client, clientOf(client))
      else if ((endedAt.get(ill) ?? NEVER) <= begunAt) failed(client, ill, error)
    },
    /** Another replica told that a target rests or answers. What this one told is older than what it knows. */
    heard(change: Change): void {
      if (change.type !== 'login' || change.by === self) return
      const { target, isResting } = change
      if (!isResting) {
        end(target)
        return
      }
      const now = monotonic()
      const { failures, since, known } = targets.get(target) ?? { ...UNSEEN, since: now }
      const begun = { probeAt: now + INTERVAL_MS.first, intervalMs: INTERVAL_MS.first }
      keep(target, {
        ...{ failures, since, known, pausedUntil: now, ...begun, ...restOf(target) },
        ...{ failedAt: now, toldAt: now },
      })
    },
    /** Numbers of targets that rest now. */
    counts(): { readonly hosts: number; readonly clients: number } {
      const resting = [...targets.keys()].filter((target) => restOf(target) !== undefined)
      const hosts = resting.filter((target) => kindOf(target) === 'host').length
      return { hosts, clients: resting.length - hosts }
    },
  }
}

const hostOf = ({ loginUrl }: Client): string => new URL(loginUrl).host

/** A space is in no host. */
const clientOf = (client: Client): string => `${hostOf(client)} ${client.uid}`

const kindOf = (target: string): keyof typeof WORDS => (target.includes(' ') ? 'client' : 'host')

const shown = (client: Client, target: string) => ({
  host: hostOf(client),
  ...(kindOf(target) === 'client' && { integration: client.name }),
})

/** Whether the login got no connection to its host. A grant that logs in at an instance says nothing of the host of `login_url`. */
function isUnconnected({ grant }: Client, error: unknown): boolean {
  const hop = error instanceof BrokerError ? (error.members.hop as Hop | undefined) : undefined
  return hop !== undefined && isBeforeRequest(hop) && !grantOf(grant.type).exchangesAtInstance
}

function knownOf(error: unknown): Known {
  if (!(error instanceof BrokerError)) return {}
  const { code, detail, members, status } = error
  const remedy = error.remedy !== undefined && { remedy: error.remedy }
  if (code === 'grant_refused') return { refusal: detail, members, status, ...remedy }
  return members.hop === undefined ? {} : { members: { hop: members.hop }, ...remedy }
}

function forgetOldest(map: Map<string, unknown>): void {
  if (map.size <= TARGETS) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
