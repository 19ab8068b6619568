/** Audit entries and log lines for mints and ended tokens. */
import type { Actor } from '../../audit/event.ts'
import type { AuditLog } from '../../audit/log.ts'
import { BrokerError } from '../../errors/errors.ts'
import { refusalOf } from '../../grants/refusals/refusals.ts'
import { rememberSubject } from '../../identity/subject.ts'
import type { Log } from '../../runtime/runtime.ts'
import type { Documents } from '../../store/store.ts'
import type { Lease } from '../serve/lease.ts'

export type MintAudit = ReturnType<typeof createMintAudit>

interface MintAuditDependencies {
  readonly audit: Pick<AuditLog, 'background'>
  readonly documents: Pick<Documents, 'read' | 'write'>
  readonly log: Pick<Log, 'warn'>
}

/** None of its methods throws. */
export function createMintAudit({ audit, documents, log }: MintAuditDependencies) {
  return {
    /** `hasSubject`: the subject of the token is stored already. */
    minted(lease: Lease, by: Actor, hasSubject = false): void {
      const { integration, tokenId } = lease
      audit.background(by, { action: 'token.minted', integration, tokenId })
      if (hasSubject) return
      rememberSubject(documents, lease).catch((error: unknown) => {
        log.warn({ err: error, integration }, 'the subject could not be remembered')
      })
    },
    refused(integration: string, error: unknown, by: Actor): void {
      // A lost connection has its own event.
      if (isNotConnected(error)) return
      const refusal = refusalOf(error)
      const code = error instanceof BrokerError ? error.code : 'internal'
      audit.background(by, {
        action: 'token.refused',
        integration,
        outcome: refusal ? 'refused' : 'failed',
        detail: { reason: refusal?.reason ?? code, ...(refusal && { class: refusal.class }) },
      })
    },
    /** The mint was written, but too few replicas confirmed it. Its token is served anyway. */
    unconfirmed(integration: string, error: BrokerError): void {
      log.warn({ integration, err: error }, 'a mint is not confirmed')
    },
  }
}

const isNotConnected = (error: unknown): boolean =>
  error instanceof BrokerError && error.code === 'integration_not_connected'
