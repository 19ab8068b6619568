import t from 'tap'
import type { AuditEntry } from '../../src/audit/event.ts'
import {
  DOUBT_MS,
  type HealthState,
  type Sign,
  signOf,
  transitionOf,
} from '../../src/webhooks/health-transition.ts'

const UP: Sign = { is: 'up' }
const REFUSED: Sign = { is: 'down', down: 'refused', reason: 'user_not_approved' }
const OTHER: Sign = { is: 'down', down: 'identity_changed', reason: null }
const DOUBT: Sign = { is: 'doubt', reason: 'user_not_approved' }

/** What people are told of these signs, one a minute. */
function told(...signs: readonly (Sign | { readonly pauseMs: number })[]) {
  let edge: HealthState | undefined
  let now = 1
  const said: string[] = []
  for (const sign of signs) {
    now += 60_000
    if ('pauseMs' in sign) {
      now += sign.pauseMs
      continue
    }
    const turn = transitionOf(edge, 'u', sign, now)
    if (!turn) continue
    edge = turn.next
    if (turn.tell) said.push(turn.tell)
  }
  return said
}

t.test('one event an edge, and not one a request', async (t) => {
  t.same(told(UP, UP), [])
  t.same(told(UP, REFUSED, REFUSED, REFUSED), ['refused'])
  t.same(told(REFUSED, REFUSED, UP, UP, UP), ['refused', 'recovered'])
  t.same(told(REFUSED, UP, REFUSED, UP), ['refused', 'recovered', 'refused', 'recovered'])
  t.same(told(REFUSED, OTHER, OTHER, UP), ['refused', 'identity_changed', 'recovered'])
})

t.test('what propagation explains is no event before its time is over', async (t) => {
  const later = { pauseMs: DOUBT_MS }
  t.same(told(DOUBT, DOUBT, UP), [], 'it spread')
  t.same(told(DOUBT, DOUBT, later, DOUBT, DOUBT, UP), ['refused', 'recovered'])
  t.same(told(DOUBT, UP, later, DOUBT), [], 'a doubt that was over begins anew')
  t.same(told(DOUBT, REFUSED, UP), ['refused', 'recovered'])
  t.same(told(REFUSED, DOUBT, later, DOUBT, UP), ['refused', 'recovered'])
})

t.test('an integration that was made again is another one', async (t) => {
  const down = transitionOf(undefined, 'former', REFUSED, 1)?.next
  t.equal(transitionOf(down, 'fresh', UP, 2), undefined)
  t.match(transitionOf(down, 'fresh', REFUSED, 2), { tell: 'refused', next: { uid: 'fresh' } })
})

t.test('what somebody must act on is a sign, and nothing else', async (t) => {
  const refused = (reason: string, detail: object = {}): AuditEntry => ({
    ...{ action: 'token.refused', integration: 'a' },
    detail: { reason, ...detail },
  })
  t.same(signOf(refused('user_not_approved', { class: 'permanent' })), REFUSED)
  t.match(signOf(refused('login_rate_exceeded', { class: 'wait' })), { down: 'refused' })
  t.same(signOf(refused('user_not_approved', { class: 'propagating' })), DOUBT)
  t.match(signOf(refused('token_response_invalid')), { is: 'doubt' })
  t.match(signOf(refused('token_not_bound')), { is: 'down', down: 'refused' })
  t.match(signOf({ action: 'integration.not_connected', integration: 'a' }), {
    down: 'not_connected',
  })
  for (const quiet of [
    refused('unknown_error', { class: 'transient' }),
    refused('salesforce_unavailable'),
    refused('salesforce_timeout'),
    refused('store_unavailable'),
    refused('login_budget_exhausted'),
    refused('identity_changed'),
    refused('integration_not_connected'),
    { action: 'integration.changed', integration: 'a' } satisfies AuditEntry,
  ]) {
    t.equal(signOf(quiet), undefined)
  }
})
