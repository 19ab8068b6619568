/** Whether a principal may get the token of an integration, and why not. Pure. */
import { allows, isLimited, type Principal } from '../../callers/policy.ts'
import { BrokerError } from '../../errors/errors.ts'
import { draftError, missingIn } from '../../integrations/integration.ts'
import type { Entry } from './lease-cache.ts'

export const maySee = (entry: Entry | undefined, name: string, principal: Principal): boolean =>
  allows(principal, 'tokens:read', entry ? { name, labels: entry.integration.labels } : { name })

/** Decided without a lookup, so that it does not tell whether the integration exists. */
export const refusalFor = (principal: Principal, name: string): BrokerError =>
  isLimited(principal, 'tokens:read', name)
    ? new BrokerError(
        'request_not_allowed',
        'You may read tokens of this integration for other requests than this one',
      )
    : forbidden()

export const forbidden = () =>
  new BrokerError('caller_forbidden', 'You may not read tokens of this integration')

/** The integration, if this principal may get its tokens. */
export function servable(entry: Entry | undefined, name: string, principal: Principal): Entry {
  if (!maySee(entry, name, principal)) throw forbidden()
  if (!entry) {
    throw new BrokerError('integration_not_found', 'No integration has this name')
  }
  const { integration } = entry
  if (!integration.serveTokens) {
    throw new BrokerError(
      'caller_forbidden',
      'The token of this integration stays inside the broker',
    )
  }
  if (!integration.enabled) {
    throw new BrokerError('integration_disabled', 'The integration is disabled')
  }
  const missing = missingIn(integration)
  if (missing.length > 0) throw draftError(missing)
  return entry
}
