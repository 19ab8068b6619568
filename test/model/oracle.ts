/** What may be served, and what may not: the contract of a lease on one page. */
import type { Lease } from '../../src/tokens/serve/lease.ts'
import type { FakeSalesforce } from './fake-salesforce.ts'
import type { Reach, Replica } from './replica.ts'

/** A change to an integration, as those see it who asked for it. */
export interface Change {
  /** Whose tokens it stands for; undefined: for none, since it is removed or disabled. */
  readonly loginUrl: string | undefined
  /** From then on it may hold. */
  readonly begunAt: number
  /** From then on it holds, or it never will. */
  settledAt: number
  /** `unknown`: nobody learned whether it was done. */
  fate: 'under way' | 'acknowledged' | 'unknown' | 'refused'
}

/** A freeze, as those see it who ordered it. */
export interface FreezeSpan {
  readonly name: string
  /** When it was acknowledged. */
  readonly since: number
  /** From then on it may be lifted. */
  liftedFrom: number
}

export interface Serving {
  readonly replica: Replica
  readonly name: string
  readonly lease: Lease
  readonly begunAt: number
  readonly servedAt: number
}

export interface Oracle {
  begins(name: string, loginUrl: string | undefined): Change
  settles(change: Change, fate: Change['fate']): void
  revoked(tokenId: string): void
  /** A freeze was acknowledged. */
  frozen(id: string, name: string): void
  /** Somebody begins to lift it. */
  lifts(id: string): void
  /** Throws where this must not have been served. */
  check(serving: Serving): void
  /** What the name stands for, where that is beyond doubt. */
  certain(name: string): Pick<Change, 'loginUrl'> | undefined
}

export interface OracleDependencies {
  readonly salesforce: Pick<FakeSalesforce, 'issued'>
  readonly degradedMs: number
  readonly now: () => number
}

/** Obeyed within a second by whoever hears; and then the moment that a request takes. */
const OBEY_MS = 1_100

export function createOracle({ salesforce, degradedMs, now }: OracleDependencies): Oracle {
  const changes = new Map<string, Change[]>()
  const revocations = new Map<string, number>()
  const freezes = new Map<string, FreezeSpan>()

  const of = (name: string): Change[] => {
    const known = changes.get(name)
    if (known) return known
    const began = Number.NEGATIVE_INFINITY
    const first: Change[] = [
      { loginUrl: undefined, begunAt: began, settledAt: began, fate: 'acknowledged' },
    ]
    changes.set(name, first)
    return first
  }

  /** The moment from which a replica must obey what was acknowledged at a time. */
  const obeysFrom = (reaches: readonly Reach[], acknowledgedAt: number): number => {
    for (const { from, until } of reaches) {
      const heardBy = Math.max(from, acknowledgedAt) + OBEY_MS
      if (heardBy <= until) return heardBy
    }
    // It heard nothing since, and may serve from memory only for so long.
    const last = reaches.at(-1)?.until ?? 0
    return Math.max(acknowledgedAt, last) + degradedMs + OBEY_MS
  }

  /** What is overtaken by a change that was sent after it had settled. */
  const laterChangesOf = (change: Change, all: readonly Change[]) =>
    all
      .filter(({ fate, begunAt }) => fate === 'acknowledged' && begunAt >= change.settledAt)
      .filter((later) => later !== change)

  return {
    begins(name, loginUrl) {
      const change: Change = {
        loginUrl,
        begunAt: now(),
        settledAt: Number.POSITIVE_INFINITY,
        fate: 'under way',
      }
      of(name).push(change)
      return change
    },
    settles(change, fate) {
      change.fate = fate
      change.settledAt = now()
    },
    revoked(tokenId) {
      if (!revocations.has(tokenId)) revocations.set(tokenId, now())
    },
    frozen(id, name) {
      freezes.set(id, { name, since: now(), liftedFrom: Number.POSITIVE_INFINITY })
    },
    lifts(id) {
      const span = freezes.get(id)
      if (span) span.liftedFrom = Math.min(span.liftedFrom, now())
    },
    certain(name) {
      const all = of(name)
      const possible = all.filter(
        (change) => change.fate !== 'refused' && laterChangesOf(change, all).length === 0,
      )
      return possible.length === 1 && possible[0]?.fate === 'acknowledged' ? possible[0] : undefined
    },
    check({ replica, name, lease, begunAt, servedAt }) {
      const { reaches } = replica
      const fail = (why: string): never => {
        throw new Error(`${name} got ${lease.tokenId} at ${servedAt}: ${why}`)
      }
      const token = salesforce.issued(lease.tokenId)
      if (!token) return fail('Salesforce never gave it')
      if (lease.integration !== name) return fail('it is of another integration')
      if (lease.expiresAt <= servedAt) return fail(`it was over at ${lease.expiresAt}`)
      if (token.expiresAt < lease.expiresAt) return fail(`the token ends at ${token.expiresAt}`)
      const revokedAt = revocations.get(lease.tokenId)
      if (revokedAt !== undefined && begunAt >= obeysFrom(reaches, revokedAt)) {
        return fail(`its revocation was acknowledged at ${revokedAt}`)
      }
      for (const span of freezes.values()) {
        const isObeyed = span.name === name && begunAt >= obeysFrom(reaches, span.since)
        if (isObeyed && servedAt < span.liftedFrom) return fail(`it is frozen since ${span.since}`)
      }
      const all = of(name)
      const mayHold = (change: Change) =>
        change.loginUrl === token.loginUrl &&
        change.fate !== 'refused' &&
        change.begunAt <= servedAt &&
        laterChangesOf(change, all).every(
          ({ settledAt }) => begunAt < obeysFrom(reaches, settledAt),
        )
      if (!all.some(mayHold)) return fail(`it is of ${token.loginUrl}, and ${name} is not any more`)
    },
  }
}
