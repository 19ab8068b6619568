/** Derives the health of an integration from an audit entry. Pure. */
import type { AuditEntry } from '../audit/event.ts'
import type { Sign } from './health-transition.ts'

/** Undefined: the entry says nothing about health, or nothing that somebody must act on. */
export function signOf({ action, detail = {} }: AuditEntry): Sign | undefined {
  switch (action) {
    case 'token.minted':
      return { is: 'up' }
    case 'identity.changed':
      return { is: 'down', down: 'identity_changed', reason: null }
    case 'integration.not_connected':
      return { is: 'down', down: 'not_connected', reason: detail.reason ?? null }
    case 'token.refused':
      return refusalSign(detail.reason ?? '', detail.class)
    default:
      return undefined
  }
}

function refusalSign(reason: string, refusalClass: string | undefined): Sign | undefined {
  switch (refusalClass) {
    case 'permanent':
    case 'wait':
      return { is: 'down', down: 'refused', reason }
    case 'propagating':
      return { is: 'doubt', reason }
    default:
      // A page instead of a token may be a maintenance, or a sandbox that no longer exists.
      return reason === 'token_response_invalid' ? { is: 'doubt', reason } : undefined
  }
}
