/** Ends a token: first on all replicas, then at Salesforce. */

import { type Actor, type AuditEntry, NOBODY } from '../../audit/event.ts'
import type { AuditLog } from '../../audit/log.ts'
import { refreshTokenIdOf } from '../../credentials/credential.ts'
import { BrokerError, isStoreTrouble } from '../../errors/errors.ts'
import type { FrozenTokens } from '../../freezes/frozen-tokens.ts'
import type { TokenEndpoint } from '../../grants/token-endpoint/token-endpoint.ts'
import type { Integration } from '../../integrations/integration.ts'
import { integrationOf } from '../../integrations/integration-store.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { within } from '../../runtime/timeout.ts'
import { unlessUnusable } from '../../store/integrity/record-schema.ts'
import type { Look, Outcomes } from '../../store/store.ts'
import type { Lease } from '../serve/lease.ts'
import type { LeaseStore } from '../serve/lease-store.ts'
import type { RevocationQueue } from './revocation-queue.ts'

type Target = Pick<Integration, 'name' | 'uid' | 'loginUrl'>

export interface Revoker {
  /** Drops the current token from every integration that holds it, and revokes it at Salesforce. Returns the audit entries. Empty if there was no token. */
  revoke(integration: Target): Promise<readonly AuditEntry[]>
  /** The same for a removal. Keeps a token that another integration also holds. */
  revokeUnlessShared(integration: Target): Promise<readonly AuditEntry[]>
  /** Revokes a token that is already dead here, only at the login URL that issued it. Queues it if that fails, and returns the code of the reason. */
  endToken(issuer: string, lease: RevokedToken): Promise<string | undefined>
  /** The same for a dead token that a mint returned. Audits it. */
  endDead(lease: Lease, by: Actor): Promise<void>
  /** A token that came after a freeze. Tries it at Salesforce also where the queue cannot be written. Audits it. */
  endFrozen(lease: Lease): Promise<void>
  /** Of {@link FrozenTokens}. */
  hold: FrozenTokens['hold']
  /** Of {@link FrozenTokens}. */
  holdRefreshToken: FrozenTokens['holdRefreshToken']
  /** Of {@link FrozenTokens}. */
  drop: FrozenTokens['drop']
  /** The token proved dead when its life was asked for. Drops it from every integration that holds it, and revokes it, since Salesforce repeats it until then. Audits it. */
  endProvenDead(lease: Lease, by: Actor): Promise<void>
  /** Salesforce returned another token than the rejected one, so the rejected one is dead for all its integrations. Audits it. */
  bury(name: string, tokenId: string, by: Actor): Promise<void>
}

/** Any token, also one without a lease. */
type RevokedToken = Pick<Lease, 'integration' | 'tokenId' | 'accessToken' | 'dpop'>

export interface RevokerDependencies {
  readonly outcomes: Pick<Outcomes, 'look' | 'revoke' | 'holders'>
  readonly leases: Pick<LeaseStore, 'open'>
  readonly endpoint: Pick<TokenEndpoint, 'revoke'>
  /** A failed revocation is retried for seven days. */
  readonly queue: Pick<RevocationQueue, 'add' | 'done'>
  readonly audit: Pick<AuditLog, 'background'>
  readonly runtime: Pick<Runtime, 'now'>
  readonly log: Pick<Log, 'warn'>
}

/** A tombstone lasts longer than the lease, because a running mint may return the same token. */
const TOMBSTONE_MS = 3_600_000
/** How long a token stays refused after Salesforce answered 401 to it. */
const REJECTED_MS = 86_400_000
/** One attempt at Salesforce. */
const ATTEMPT_MS = 4_000

export function createRevoker(dependencies: RevokerDependencies): Revoker {
  const { outcomes, leases, endpoint, queue, audit, runtime, log } = dependencies

  /** Returns the code of a failure. Then the token is in the queue. */
  const endAtSalesforce = async (
    loginUrl: string,
    lease: RevokedToken,
  ): Promise<string | undefined> => {
    const { tokenId, accessToken: token, integration, dpop } = lease
    await queue.add(loginUrl, lease)
    try {
      const request = { loginUrl, token, dpopKey: dpop?.key }
      await within(ATTEMPT_MS, (signal) => endpoint.revoke({ ...request, signal }))
    } catch (error) {
      log.warn({ err: error, integration, tokenId }, 'Salesforce has not revoked the token yet')
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

  const bury = async (name: string, tokenId: string, by: Actor, reason: string): Promise<void> => {
    const others = await outcomes.revoke(tokenId, runtime.now() + REJECTED_MS)
    for (const integration of new Set([name, ...others])) {
      audit.background(by, { action: 'token.revoked', integration, tokenId, detail: { reason } })
    }
  }

  return {
    revoke: (integration) => end(integration, true),
    revokeUnlessShared: (integration) => end(integration, false),
    endToken: endAtSalesforce,
    async endDead(lease, by) {
      const { integration, tokenId, issuer = '' } = lease
      const reason = await endAtSalesforce(issuer, lease)
      audit.background(by, revokedEvent(integration, tokenId, reason))
    },
    async endFrozen(lease) {
      const { integration, tokenId, issuer = '', accessToken: token, dpop } = lease
      const request = { loginUrl: issuer, token, dpopKey: dpop?.key }
      const reason = await endAtSalesforce(issuer, lease).catch(async (error: unknown) => {
        if (!isStoreTrouble(error)) throw error
        await within(ATTEMPT_MS, (signal) => endpoint.revoke({ ...request, signal }))
        return undefined
      })
      const detail = { reason: reason ?? 'frozen' }
      const outcome = reason === undefined ? 'success' : 'failed'
      audit.background(NOBODY, { action: 'token.revoked', integration, tokenId, outcome, detail })
    },
    async hold(name, freeze) {
      const look = await outcomes.look(name)
      const record = look?.outcome.lease
      // One that does not open is handed out by nobody.
      const lease = look && record && (await unlessUnusable(leases.open(look, record)))
      if (!lease) return undefined
      const issuer = issuerOf(lease, look)
      if (issuer !== undefined) await queue.add(issuer, lease, freeze)
      return { tokenId: lease.tokenId, expiresAt: lease.expiresAt, isQueued: issuer !== undefined }
    },
    async holdRefreshToken(loginUrl, { integration, token, dpopKey: key }, freeze) {
      const tokenId = refreshTokenIdOf(token)
      const of = { integration, tokenId, accessToken: token, ...(key && { dpop: { key } }) }
      await queue.add(loginUrl, of, freeze)
      return tokenId
    },
    async drop({ tokenId, expiresAt, isQueued }, by) {
      const names = await outcomes.revoke(tokenId, expiresAt + TOMBSTONE_MS)
      for (const integration of names) {
        const detail = { reason: isQueued ? 'frozen' : 'issuer_unknown' }
        const outcome = isQueued ? 'success' : 'failed'
        audit.background(by, { action: 'token.revoked', integration, tokenId, outcome, detail })
      }
    },
    async endProvenDead(lease, by) {
      const { integration, tokenId, issuer = '' } = lease
      await bury(integration, tokenId, by, 'proven_dead')
      await endAtSalesforce(issuer, lease)
    },
    bury: (name, tokenId, by) => bury(name, tokenId, by, 'rejected'),
  }
}

/** `reason`: the code of the failure at Salesforce. Then the token is in the queue. */
const revokedEvent = (
  integration: string,
  tokenId: string,
  reason: string | undefined,
): AuditEntry => ({
  action: 'token.revoked',
  integration,
  tokenId,
  ...(reason !== undefined && { outcome: 'failed', detail: { reason } }),
})

/** A lease of a former release has no issuer. It is the login URL, if that is still the one in its digest. */
function issuerOf({ issuer, digest }: Lease, { integration }: Look): string | undefined {
  if (issuer !== undefined) return issuer
  return integration.digests.includes(digest) ? integrationOf(integration).loginUrl : undefined
}

/** A removal first ends the connection. Salesforce then also ends the access tokens of its refresh token. */
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
