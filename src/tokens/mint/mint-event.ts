/** How mints without a token, and the ends of tokens, read in the audit. */
import type { AuditEntry } from '../../audit/event.ts'
import { BrokerError } from '../../errors/errors.ts'
import { refusalOf } from '../../grants/refusals/refusals.ts'

export function refusedEvent(integration: string, error: unknown): AuditEntry {
  const refusal = refusalOf(error)
  const code = error instanceof BrokerError ? error.code : 'internal'
  return {
    action: 'token.refused',
    integration,
    outcome: refusal ? 'refused' : 'failed',
    detail: { reason: refusal?.reason ?? code, ...(refusal && { class: refusal.class }) },
  }
}

/** `reason`: the code of what is in the way at Salesforce; then it is in the queue. */
export const revokedEvent = (
  integration: string,
  tokenId: string,
  reason: string | undefined,
): AuditEntry => ({
  action: 'token.revoked',
  integration,
  tokenId,
  ...(reason !== undefined && { outcome: 'failed', detail: { reason } }),
})

/** It held a token that was rejected, and was replaced: by it, or by another that held it too. */
export const rejectedEvent = (integration: string, tokenId: string): AuditEntry => ({
  action: 'token.revoked',
  integration,
  tokenId,
  detail: { reason: 'rejected' },
})
