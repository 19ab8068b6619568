/** Ends a token: everywhere here first, then at Salesforce. */

import type { AuditEntry } from '../../audit/event.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { TokenEndpoint } from '../../grants/token-endpoint/token-endpoint.ts'
import type { Integration } from '../../integrations/integration.ts'
import { integrationOf } from '../../integrations/integration-store.ts'
import type { Log } from '../../runtime/runtime.ts'
import { within } from '../../runtime/timeout.ts'
import type { Look, Outcomes } from '../../store/store.ts'
import { revokedEvent } from '../mint/mint-event.ts'
import type { Lease } from '../serve/lease.ts'
import type { LeaseStore } from '../serve/lease-store.ts'
import type { RevocationQueue } from './revocation-queue.ts'

type Target = Pick<Integration, 'name' | 'uid' | 'loginUrl'>

export interface Revoker {
  /** Drops the integration's current token from every integration that holds it, and revokes it at Salesforce. Gives what is to be audited; nothing where there was no token. */
  revoke(integration: Target): Promise<readonly AuditEntry[]>
  /** The same, but leaves a token alone that another integration holds too. For a removal. */
  revokeUnlessShared(integration: Target): Promise<readonly AuditEntry[]>
  /** Ends a token that is dead here already, at the login URL that issued it and nowhere else, now or later. Gives the code of what is in the way. */
  endToken(issuer: string, lease: RevokedToken): Promise<string | undefined>
}

/** Whatever token it is. */
export type RevokedToken = Pick<Lease, 'integration' | 'tokenId' | 'accessToken'>

export interface RevokerDependencies {
  readonly outcomes: Pick<Outcomes, 'look' | 'revoke' | 'holders'>
  readonly leases: Pick<LeaseStore, 'open'>
  readonly endpoint: Pick<TokenEndpoint, 'revoke'>
  /** What Salesforce does not end now is tried again for seven days. */
  readonly queue: Pick<RevocationQueue, 'add' | 'done'>
  readonly log: Pick<Log, 'warn'>
}

/** A tombstone outlives the lease: a mint that was under way may still bring the same token. */
const TOMBSTONE_MS = 3_600_000
/** One attempt at Salesforce. */
const ATTEMPT_MS = 4_000

export function createRevoker(dependencies: RevokerDependencies): Revoker {
  const { outcomes, leases, endpoint, queue, log } = dependencies

  /** The code of what went wrong; then it is in the queue. */
  const endAtSalesforce = async (
    loginUrl: string,
    lease: RevokedToken,
  ): Promise<string | undefined> => {
    const { tokenId, accessToken, integration } = lease
    await queue.add(loginUrl, lease)
    try {
      await within(ATTEMPT_MS, (signal) =>
        endpoint.revoke({ loginUrl, token: accessToken, signal }),
      )
    } catch (error) {
      log.warn({ err: error, integration, tokenId }, 'Salesforce did not end the token yet')
      return error instanceof BrokerError ? error.code : 'internal'
    }
    await queue.done(tokenId)
    return undefined
  }

  const end = async (
    { name }: Pick<Target, 'name'>,
    evenShared: boolean,
  ): Promise<readonly AuditEntry[]> => {
    const look = await outcomes.look(name)
    const record = look?.outcome.lease
    if (!look || !record) return []
    const { tokenId } = record
    if (!evenShared && (await outcomes.holders(tokenId)).some((holder) => holder !== name)) {
      return [{ action: 'token.revoked', integration: name, outcome: 'skipped_shared', tokenId }]
    }
    const lease = await leases.open(look, record)
    const names = await outcomes.revoke(tokenId, lease.expiresAt + TOMBSTONE_MS)
    const issuer = issuerOf(lease, look)
    const reason = issuer === undefined ? 'issuer_unknown' : await endAtSalesforce(issuer, lease)
    return names.map((integration) => revokedEvent(integration, tokenId, reason))
  }

  return {
    revoke: (integration) => end(integration, true),
    revokeUnlessShared: (integration) => end(integration, false),
    endToken: endAtSalesforce,
  }
}

/** A lease of a former release does not say where it was minted: at the login URL, where that is still the one of its digest. */
function issuerOf({ issuer, digest }: Lease, { integration }: Look): string | undefined {
  if (issuer !== undefined) return issuer
  return integration.digests.includes(digest) ? integrationOf(integration).loginUrl : undefined
}

/** A removal ends the connection first: with its refresh token go the access tokens that came of it. */
export function endingConnections(
  revoker: Revoker,
  custody: {
    end(target: Target): Promise<{ readonly hadToken: boolean; readonly reason?: string }>
  },
): Revoker {
  return {
    ...revoker,
    async revokeUnlessShared(integration) {
      const { hadToken, reason } = await custody.end(integration)
      const ended: AuditEntry = {
        action: 'integration.disconnected',
        integration: integration.name,
        ...(reason !== undefined && { outcome: 'failed', detail: { reason } }),
      }
      const others = await revoker.revokeUnlessShared(integration)
      return hadToken ? [ended, ...others] : others
    },
  }
}
