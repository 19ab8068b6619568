/** Composes the parts that end tokens, at once or when Salesforce is available. */
import { NOBODY } from '../../audit/event.ts'
import type { AuditLog } from '../../audit/log.ts'
import type { FrozenTokens } from '../../freezes/frozen-tokens.ts'
import { countGivenUp } from '../../freezes/progress.ts'
import type { TokenEndpoint } from '../../grants/token-endpoint/token-endpoint.ts'
import { createOutageLogger } from '../../runtime/outage-logger.ts'
import type { Core } from '../../store/core.ts'
import type { StoreEvents } from '../../store/store-events.ts'
import { wakeByDocuments } from '../../store/stream/wakes.ts'
import type { LeaseStore } from '../serve/lease-store.ts'
import { createRevoker, type Revoker } from './revocation.ts'
import { createRevocationQueue, REVOCATION_KIND, type RevocationQueue } from './revocation-queue.ts'

interface Revocation {
  readonly revoker: Revoker
  readonly queue: Pick<RevocationQueue, 'start' | 'stop'>
  readonly frozen: FrozenTokens
}

interface RevocationDependencies {
  readonly core: Core<StoreEvents>
  readonly endpoint: TokenEndpoint
  readonly leases: LeaseStore
  readonly audit: Pick<AuditLog, 'background'>
}

export function composeRevocation(dependencies: RevocationDependencies): Revocation {
  const { core, endpoint, leases, audit } = dependencies
  const { store, keyring, runtime, log } = core
  const what = 'queued revocations cannot be carried out'
  const trouble = createOutageLogger(log, what, runtime)
  const queue = createRevocationQueue({
    ...{ documents: store.documents, keyring, endpoint, runtime },
    onRevoked: (tokenId, integration) =>
      audit.background(NOBODY, { action: 'token.revoked', integration, tokenId }),
    onGivenUp(tokenId, integration, error, freeze) {
      const why = 'a token was not ended at Salesforce within seven days, and is given up'
      log.error({ err: error, integration, tokenId }, why)
      audit.background(NOBODY, {
        action: 'token.revoked',
        outcome: 'failed',
        ...{ integration, tokenId, detail: { reason: 'given_up' } },
      })
      if (freeze === undefined) return
      countGivenUp(store.documents, freeze).catch((err: unknown) => {
        log.warn({ err, freeze }, 'a token that was given up could not be counted')
      })
    },
    outage: trouble,
  })
  wakeByDocuments(core, queue, REVOCATION_KIND)
  const { outcomes } = store
  const revoker = createRevoker({
    ...{ outcomes, leases, endpoint, queue, audit, runtime, log },
  })
  const { hold, holdRefreshToken, drop } = revoker
  return {
    revoker,
    queue,
    frozen: { hold, holdRefreshToken, drop, waiting: queue.ofFreezes, wake: queue.wake },
  }
}
