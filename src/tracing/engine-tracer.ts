/** Spans for lease lookups, waits for another replica, logins, and background refreshes. */
import type { Span } from '@opentelemetry/api'
import { BrokerError } from '../errors/errors.ts'
import type { ProblemCode } from '../errors/problems.ts'
import { refusalOf } from '../grants/refusals/refusals.ts'
import type { ChangeSubscription } from '../store/change-subscription.ts'
import type { MintCoordinator } from '../tokens/mint/mint-coordinator.ts'
import type { Broker, Served } from '../tokens/serve/broker.ts'
import type { TokenRequester } from '../tokens/serve/token-request.ts'
import { fail, type Spans } from './spans.ts'

/** These problems prove that the integration exists. With others, the name may be any text of a caller. */
const OF_AN_INTEGRATION: ReadonlySet<ProblemCode> = new Set([
  'integration_disabled',
  'integration_draft',
  'integration_frozen',
  'integration_not_connected',
  'refresh_token_doubted',
  'grant_refused',
  'identity_changed',
  'token_not_bound',
  'token_still_live',
  'token_bound',
  'login_budget_exhausted',
  'token_response_invalid',
  'salesforce_unavailable',
  'salesforce_timeout',
  'signing_refused',
  'signer_unavailable',
])

export function createEngineTracer(spans: Spans) {
  const named = (span: Span, name: string) => span.setAttribute('valetkey.integration', name)

  const served = (span: Span, { lease, via, isDegraded }: Served) => {
    named(span, lease.integration)
    span.setAttribute('valetkey.result', isDegraded ? 'storeless' : via)
    span.end()
  }

  const failed = (span: Span, name: string, error: unknown) => {
    if (error instanceof BrokerError && OF_AN_INTEGRATION.has(error.code)) named(span, name)
    fail(span, error)
    span.end()
  }

  return {
    broker: (broker: Broker): Broker => ({
      ...broker,
      lease(name, principal, request) {
        const span = spans.start('lease lookup')
        try {
          const found = spans.run(span, () => broker.lease(name, principal, request))
          if (found instanceof Promise) {
            found.then(
              (it) => served(span, it),
              (error: unknown) => failed(span, name, error),
            )
          } else served(span, found)
          return found
        } catch (error) {
          failed(span, name, error)
          throw error
        }
      },
    }),
    requester: (requester: TokenRequester): TokenRequester => ({
      ...requester,
      request(integration, ...rest) {
        const attributes = {
          'valetkey.integration': integration.name,
          'valetkey.grant': integration.grant.type,
        }
        return spans.within('mint', { attributes }, async (span) => {
          try {
            return await requester.request(integration, ...rest)
          } catch (error) {
            const reason = refusalOf(error)?.reason
            if (reason) span.setAttribute('valetkey.refusal', reason)
            throw error
          }
        })
      },
    }),
    waits: (
      subscription: Pick<ChangeSubscription, 'onceChanged'>,
    ): Pick<ChangeSubscription, 'onceChanged'> => ({
      onceChanged(name, wake) {
        const span = spans.start('lock wait', { attributes: { 'valetkey.integration': name } })
        const stop = subscription.onceChanged(name, wake)
        return () => {
          span.end()
          stop()
        }
      },
    }),
    /** The mint coordinator for refreshes, which belong to no request. */
    refreshes: (coordinator: MintCoordinator): MintCoordinator => ({
      run(entry, requirement, by) {
        const attributes = { 'valetkey.integration': entry.integration.name }
        const span = spans.start('refresh ahead', { attributes })
        const running = spans.run(span, () => coordinator.run(entry, requirement, by))
        running.result.then(
          () => span.end(),
          (error: unknown) => {
            fail(span, error)
            span.end()
          },
        )
        return running
      },
    }),
  }
}
