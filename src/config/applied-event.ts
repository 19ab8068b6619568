/** The audit entry of an applied entry of the configuration file. */
import { type AuditEntry, lentEvent } from '../audit/event.ts'
import type { Applied } from '../integrations/declared.ts'

const ACTIONS = {
  created: 'integration.created',
  changed: 'integration.changed',
  disabled: 'config.refused',
  released: 'integration.released',
  removed: 'integration.deleted',
} as const

/** For the owner of a credential that an entry uses. */
export const lentByFile = ({ name, lentBy }: Applied): AuditEntry | undefined =>
  lentBy === undefined ? undefined : lentEvent(lentBy, name)

/** Undefined: nothing changed. */
export function appliedEvent({ name, result, error }: Applied): AuditEntry | undefined {
  if (result === 'unchanged') return undefined
  return {
    action: ACTIONS[result],
    integration: name,
    ...(result === 'disabled' && { outcome: 'failed' as const }),
    ...(error && { detail: { reason: error.code } }),
  }
}
