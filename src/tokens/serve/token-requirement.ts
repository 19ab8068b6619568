/** What a mint coordinator must find, and whether known data already answers it. Pure. */
import { BrokerError } from '../../errors/errors.ts'
import type { StillLiveRecord } from '../../store/records.ts'
import { refusedStill } from '../mint/refusal-memory.ts'
import { isUsable, type Lease, lastsLong } from './lease.ts'
import type { Entry } from './lease-cache.ts'

export type TokenRequirement =
  /** A lease that is valid for this time, and that a client may keep for a while if it wants that. */
  | { readonly kind: 'need'; readonly minTtlMs: number; readonly isLasting?: boolean }
  /** A newer lease than the one that was seen. */
  | { readonly kind: 'replace'; readonly mintedAt: number }
  /** Another token than the one to which Salesforce answered 401. */
  | { readonly kind: 'rejected'; readonly tokenId: string }

/** Whether the integration holds, or held, the rejected token. A rejection of any other token says nothing. */
export const holdsRejected = (
  { lease, stillLive }: Pick<Entry, 'lease' | 'stillLive'>,
  requirement: TokenRequirement,
): boolean =>
  requirement.kind === 'rejected' &&
  (lease?.tokenId === requirement.tokenId || stillLive?.tokenId === requirement.tokenId)

/** Replaces the rejection of a token that the integration never held. */
export const NEED: TokenRequirement = { kind: 'need', minTtlMs: 0 }

/** Mints of one process with the same key are shared. A change of the integration changes the key. */
export function keyOf(
  requirement: TokenRequirement,
  { name, uid, version }: Entry['integration'],
): string {
  const of = requirement.kind === 'rejected' ? `rejected:${requirement.tokenId}` : requirement.kind
  return `${of}:${name}:${uid}:${version}`
}

/** Returns a lease that answers, or throws the remembered refusal. Undefined: a mint is needed. */
export function answerIn(
  entry: Entry,
  requirement: TokenRequirement,
  now: number,
): Lease | undefined {
  const { lease, refusal, stillLive, integration } = entry
  if (lease && satisfies(lease, requirement, now)) return lease
  if (requirement.kind === 'rejected' && stillLive)
    checkStillLive(stillLive, requirement.tokenId, now)
  const refused = refusedStill(refusal, integration, now)
  if (refused) throw refused
  return undefined
}

/** A valid lease takes precedence over every refusal, even if it is shorter than requested. */
export const livingIn = (
  { lease }: Entry,
  requirement: TokenRequirement,
  now: number,
): Lease | undefined =>
  requirement.kind === 'need' && lease && lease.expiresAt > now ? lease : undefined

/** Whether the lease meets the requirement. */
export function satisfies(lease: Lease, requirement: TokenRequirement, now: number): boolean {
  if (lease.expiresAt <= now) return false
  switch (requirement.kind) {
    case 'need':
      return (
        isUsable(lease, now, requirement.minTtlMs) &&
        (!requirement.isLasting || lastsLong(lease, now))
      )
    case 'replace':
      return lease.mintedAt > requirement.mintedAt
    case 'rejected':
      return lease.tokenId !== requirement.tokenId
  }
}

function checkStillLive(record: StillLiveRecord, tokenId: string, now: number): void {
  if (record.tokenId === tokenId && record.until > now) throw tokenStillLive(record.until - now)
}

export const tokenStillLive = (retryAfterMs: number): BrokerError =>
  new BrokerError(
    'token_still_live',
    'Salesforce handed out the same token again: it is alive, and the 401 has another cause. Sessions may be locked to the IP address that they come from (Setup → Session Settings), calls may go to another host than instance_url, the app may lack the scope api, or its IP policy or API Access Control forbid the call; SOAP below API version 68.0 takes no JWT as token.',
    { retryAfterMs },
  )

const STILL_LIVE_MS = { least: 30_000, most: 600_000 }

/** The next pause after a rejected token proved live: 30 s, doubled each time, at most 10 minutes. */
export function stillLiveAgain(
  former: StillLiveRecord | undefined,
  tokenId: string,
  now: number,
): { readonly restMs: number; readonly record: StillLiveRecord } {
  const count = former?.tokenId === tokenId ? former.count + 1 : 1
  const restMs = Math.min(STILL_LIVE_MS.most, STILL_LIVE_MS.least * 2 ** (count - 1))
  return { restMs, record: { tokenId, until: now + restMs, count } }
}
