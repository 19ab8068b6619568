/** How a mint that brought no token reads in the audit. */
import type { Happening } from '../audit/event.ts'
import { BrokerError } from '../errors.ts'
import { refusalOf } from '../grants/refusals.ts'

export function refusedEvent(integration: string, error: unknown): Happening {
  const refusal = refusalOf(error)
  const code = error instanceof BrokerError ? error.code : 'internal'
  return {
    action: 'token.refused',
    integration,
    outcome: refusal ? 'refused' : 'failed',
    detail: { reason: refusal?.reason ?? code, ...(refusal && { class: refusal.class }) },
  }
}
