/** Wires what ends tokens: now, or as soon as Salesforce can be reached. */

import { NOBODY } from '../audit/event.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Keyring } from '../crypto/keyring.ts'
import type { TokenEndpoint } from '../grants/token-endpoint/token-endpoint.ts'
import type { Logger } from '../logger/logger.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'
import type { MintCoordinatorDependencies } from '../tokens/mint/mint-coordinator.ts'
import { rejectedEvent, revokedEvent } from '../tokens/mint/mint-event.ts'
import { createRevoker, type Revoker } from '../tokens/revoke/revocation.ts'
import { createRevocationQueue, type RevocationQueue } from '../tokens/revoke/revocation-queue.ts'
import type { LeaseStore } from '../tokens/serve/lease-store.ts'

export interface Revocation {
  readonly revoker: Revoker
  readonly queue: Pick<RevocationQueue, 'start' | 'stop'>
  /** Of tokens that mints come upon. */
  readonly ends: Pick<MintCoordinatorDependencies, 'endDead' | 'onBuried'>
}

export interface RevocationDependencies {
  readonly store: Pick<Store, 'documents' | 'outcomes'>
  readonly keyring: Keyring
  readonly endpoint: TokenEndpoint
  readonly leases: LeaseStore
  readonly audit: Pick<AuditLog, 'background'>
  readonly runtime: Runtime
  readonly log: Logger
}

export function composeRevocation(dependencies: RevocationDependencies): Revocation {
  const { store, keyring, endpoint, leases, audit, runtime, log } = dependencies
  const trouble = createOutageLogger(log, 'queued revocations cannot be carried out', runtime)
  const queue = createRevocationQueue({
    documents: store.documents,
    keyring,
    endpoint,
    runtime,
    onRevoked: (tokenId, integration) =>
      audit.background(NOBODY, { action: 'token.revoked', integration, tokenId }),
    onGivenUp(tokenId, integration, error) {
      const why = 'a token was not ended at Salesforce within seven days, and is given up'
      log.error({ err: error, integration, tokenId }, why)
      audit.background(NOBODY, {
        action: 'token.revoked',
        outcome: 'failed',
        ...{ integration, tokenId, detail: { reason: 'given_up' } },
      })
    },
    outage: trouble,
  })
  const { outcomes } = store
  const revoker = createRevoker({ outcomes, leases, endpoint, queue, log })
  return {
    revoker,
    queue,
    ends: {
      async endDead(lease, by) {
        const { integration, tokenId, issuer = '' } = lease
        const reason = await revoker.endToken(issuer, lease)
        audit.background(by, revokedEvent(integration, tokenId, reason))
      },
      onBuried(tokenId, names, by) {
        for (const name of names) audit.background(by, rejectedEvent(name, tokenId))
      },
    },
  }
}
