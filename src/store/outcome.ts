import { BrokerError } from '../errors/errors.ts'
import { untilWritten } from './compare-and-set.ts'
import type { OutcomeChange, OutcomeRecord, Outcomes } from './store.ts'

/** An outcome in an engine. The columns of an absent member are all null. */
export interface StoredOutcome {
  readonly lease_body: string | null
  readonly lease_digest: string | null
  readonly lease_token: string | null
  readonly lease_ends: number | null
  readonly refusal_body: string | null
  readonly refusal_version: number | null
  readonly refusal_ends: number | null
  readonly live_token: string | null
  readonly live_ends: number | null
  readonly live_count: number | null
}

/** Whether the previous outcome remains valid. It does not if the lease was revoked. */
export const isOnlyNewer = ({ lease }: OutcomeChange): boolean => lease !== null

/** Removes expired members, and a lease whose token has a tombstone. */
export function liveOutcome(
  stored: StoredOutcome,
  leaseIsDead: boolean,
  now: number,
): OutcomeRecord {
  const { lease_body, lease_digest, lease_token, lease_ends } = stored
  const { refusal_body, refusal_version, refusal_ends, live_token, live_ends, live_count } = stored
  return {
    ...(lease_body !== null &&
      lease_digest !== null &&
      lease_token !== null &&
      lease_ends !== null &&
      lease_ends > now &&
      !leaseIsDead && {
        lease: {
          body: lease_body,
          digest: lease_digest,
          tokenId: lease_token,
          expiresAt: lease_ends,
        },
      }),
    ...(refusal_body !== null &&
      refusal_version !== null &&
      refusal_ends !== null &&
      refusal_ends > now && {
        refusal: { body: refusal_body, version: refusal_version, until: refusal_ends },
      }),
    ...(live_token !== null &&
      live_ends !== null &&
      live_count !== null &&
      live_ends > now && {
        stillLive: { tokenId: live_token, until: live_ends, count: live_count },
      }),
  }
}

/**
 * Removes the lease of an integration and its remembered refusals. The store then refuses the save of a running
 * mint. `uid`: does nothing for another integration with this name. Default: any integration. False:
 * other writers were faster in each try, and there may still be a lease. Throws what the store throws.
 */
export async function dropLease(
  outcomes: Pick<Outcomes, 'look' | 'save'>,
  { name, uid }: { readonly name: string; readonly uid?: string },
): Promise<boolean> {
  try {
    return await untilWritten(`the lease of ${name}`, async () => {
      const look = await outcomes.look(name)
      if (!look || look.integration.uid !== (uid ?? look.integration.uid)) return true
      const { integration } = look
      const none = { lease: null, refusal: null, stillLive: null }
      const of = { uid: integration.uid, orev: integration.orev }
      return (await outcomes.save(name, of, none)).saved || 'lost'
    })
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'conflict') return false
    throw error
  }
}
