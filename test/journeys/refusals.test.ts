/** Every refusal of Salesforce is told for what it is, and never a bug. */
import t from 'tap'
import type { Fault } from '../../simulator/faults.ts'
import { type RefusalName, REFUSALS as SPOKEN } from '../../simulator/refusals.ts'
import { REFUSALS, type RefusalReason } from '../../src/grants/refusals/refusal-table.ts'
import {
  assertNoBug,
  assertProblem,
  assertRefused,
  assertServes,
  jwtBearer,
  MINUTE_MS,
  PROPAGATION_MS,
  register,
  stranger,
  TRIED,
  WAYS,
  world,
} from './salesforce-world.ts'

/** What each text of Salesforce means. One that is added to the simulator has to be told here. */
const MEANINGS: Readonly<Record<RefusalName, RefusalReason>> = {
  user_not_approved: 'user_not_approved',
  audience_invalid: 'audience_invalid',
  audience_validation_failed: 'audience_invalid',
  assertion_invalid: 'assertion_invalid',
  assertion_expired: 'assertion_expired',
  refresh_token_expired: 'refresh_token_expired',
  already_processing: 'request_in_progress',
  ip_restricted: 'ip_restricted',
  login_hours: 'login_hours',
  ip_or_hours_restricted: 'ip_restricted',
  user_inactive: 'user_inactive',
  user_inactive_code: 'user_inactive',
  user_is_inactive: 'user_inactive',
  user_is_frozen: 'user_inactive',
  org_inactive: 'org_inactive',
  org_inactive_code: 'org_inactive',
  user_locked: 'user_locked',
  login_rate_exceeded: 'login_rate_exceeded',
  login_rate_exceeded_code: 'login_rate_exceeded',
  no_run_as_user: 'run_as_user_missing',
  client_credentials_off: 'client_credentials_flow_disabled',
  wrong_domain: 'domain_not_supported',
  no_valid_scopes: 'no_valid_scopes',
  code_invalid: 'authorization_code_invalid',
  code_verifier_invalid: 'code_verifier_invalid',
  authentication_failure: 'user_credentials_invalid',
  password_invalid: 'user_credentials_invalid',
  user_credentials_invalid: 'user_credentials_invalid',
  activation_secret_invalid: 'identity_verification_required',
  token_handler_failed: 'token_handler_failed',
  client_identifier_invalid: 'client_id_invalid',
  client_credentials_invalid: 'client_credentials_invalid',
  app_not_installed: 'app_not_installed',
  app_not_found: 'app_not_found',
  app_not_found_code: 'app_not_found',
  user_not_admin_approved: 'user_not_admin_approved',
  user_not_admin_approved_code: 'user_not_admin_approved',
  cross_org_blocked: 'cross_org_blocked',
  app_blocked: 'app_blocked',
  approval_error: 'approval_failed',
  scope_not_supported: 'scope_not_supported',
  use_dpop_nonce: 'dpop_nonce_wanted',
  invalid_dpop_proof: 'dpop_proof_invalid',
  dpop_jkt_missing: 'dpop_required',
  dpop_proof_missing: 'dpop_required',
  jti_in_use: 'assertion_replayed',
  redirect_uri_mismatch: 'redirect_uri_mismatch',
  redirect_uri_missing: 'redirect_uri_missing',
  scope_invalid: 'scope_invalid',
  response_type_not_supported: 'response_type_unsupported',
  code_challenge_missing: 'code_challenge_missing',
  https_required: 'https_required',
  post_required: 'http_method_wrong',
  refresh_scope_required: 'refresh_scope_required',
  grant_not_supported: 'grant_type_unsupported',
  authorization_pending: 'authorization_pending',
  slow_down: 'authorization_pending',
  access_denied: 'access_denied',
  retry_your_request: 'unknown_error',
  subject_token_invalid: 'unrecognised',
  data_not_available: 'data_not_available',
}

/** Those that the documents list by their code, without words. */
const CODES: Readonly<Record<string, RefusalReason>> = {
  immediate_unsuccessful: 'immediate_unsuccessful',
  invalid_client: 'client_refused',
  words_of_next_year: 'unrecognised',
}

for (const grant of ['jwt_bearer', 'client_credentials'] as const) {
  const way = WAYS[grant]
  const tried = TRIED[grant]
  t.test(`${grant}: every refusal is told for what it is, and is no end`, async (t) => {
    const here = await world(t)
    const { simulator, broker, pass } = here
    const cases: readonly (readonly [string, Fault, RefusalReason])[] = [
      ...Object.entries(MEANINGS).map(
        ([name, reason]) =>
          [name, { kind: 'refusal', refusal: name as RefusalName }, reason] as const,
      ),
      ...Object.entries(CODES).map(
        ([error, reason]) =>
          [
            error,
            { kind: 'answer', answer: { status: 400, body: JSON.stringify({ error }) } },
            reason,
          ] as const,
      ),
    ]
    for (const [what, fault, reason] of cases) {
      await t.test(what, async (t) => {
        const { name, app } = await register(here, way)
        pass(PROPAGATION_MS + MINUTE_MS)
        const ordered = simulator.addFault({ ...fault, times: null, clientId: app.clientId })
        const answer = await broker.call('GET', `/tokens/${name}`)
        assertRefused(t, answer, reason, tried)
        if (fault.kind === 'refusal') {
          const { error, errorDescription } = SPOKEN[fault.refusal]
          t.match(answer.body.refusal, { error, error_description: errorDescription })
        }
        const { class: kind, ...flags } = REFUSALS[reason]
        const tries = kind === 'transient' ? 4 : 'retryOnce' in flags ? 2 : 1
        t.equal(ordered.hits(), tries, 'tried again where that may help')
        assertRefused(t, await broker.call('GET', `/tokens/${name}`), reason, tried)
        t.equal(ordered.hits(), tries, 'and Salesforce is left alone')
        ordered.remove()
        await assertServes(t, here, name)
      })
    }
    assertNoBug(t, broker)
  })
}

t.test('shortly after a change, what propagation explains is to be waited for', async (t) => {
  const here = await world(t)
  const { name, app } = await register(here, jwtBearer)
  here.simulator.updateApp(app.clientId, { certificatePem: stranger.certificate })
  const answer = await here.broker.call('GET', `/tokens/${name}`)
  assertProblem(t, answer)
  t.match(answer, {
    status: 503,
    body: { refusal: { reason: 'client_credentials_invalid', class: 'propagating' } },
  })
  t.equal(answer.headers.get('retry-after'), '30')

  const { simulator, broker, pass } = here
  const asked = async () => {
    const before = simulator.tokenRequests().length
    const { body } = await broker.call('GET', `/tokens/${name}`)
    return [simulator.tokenRequests().length - before, body.refusal.class]
  }
  const state = async () => (await broker.call('GET', `/integrations/${name}`)).body.status.state
  t.equal(await state(), 'propagating')
  pass(29_000)
  t.strictSame(await asked(), [0, 'propagating'], 'Salesforce is left alone for 30 s')
  pass(2_000)
  t.strictSame(await asked(), [1, 'propagating'], 'and then asked again')
  pass(PROPAGATION_MS - MINUTE_MS)
  t.strictSame(await asked(), [1, 'propagating'])
  pass(MINUTE_MS)
  t.strictSame(await asked(), [1, 'permanent'], 'after 10 minutes it is a verdict')
  t.equal(await state(), 'refused')
})
