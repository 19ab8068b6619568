import fc from 'fast-check'
import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { REFUSALS } from '../../../src/grants/refusals/refusal-table.ts'
import {
  classify,
  grantRefused,
  refusalOf,
  refusalRow,
} from '../../../src/grants/refusals/refusals.ts'

/** What Salesforce is known to write: error, error_description, then what that means. */
const KNOWN = [
  ['invalid_grant', "user hasn't approved this consumer", 'user_not_approved', 'permanent'],
  ['invalid_grant', 'user hasn’t approved this consumer', 'user_not_approved', 'permanent'],
  ['invalid_grant', 'audience is invalid', 'audience_invalid', 'permanent'],
  ['invalid_grant', 'Audience validation failed', 'audience_invalid', 'permanent'],
  ['invalid_grant', 'invalid assertion', 'assertion_invalid', 'permanent'],
  ['invalid_grant', 'expired authorization code', 'assertion_expired', 'permanent'],
  ['invalid_grant', 'expired access/refresh token', 'refresh_token_expired', 'permanent'],
  ['invalid_grant', 'token request is already being processed', 'request_in_progress', 'transient'],
  ['invalid_grant', 'ip restricted', 'ip_restricted', 'permanent'],
  ['invalid_grant', 'ip restricted or invalid login hours', 'ip_restricted', 'permanent'],
  ['invalid_grant', 'IP restricted or invalid login hours', 'ip_restricted', 'permanent'],
  ['invalid_grant', 'invalid login hours', 'login_hours', 'permanent'],
  ['invalid_grant', 'inactive user', 'user_inactive', 'permanent'],
  ['inactive_user', '', 'user_inactive', 'permanent'],
  ['invalid_grant', 'user is inactive', 'user_inactive', 'permanent'],
  ['invalid_grant', 'user is frozen', 'user_inactive', 'permanent'],
  ['invalid_grant', 'organization is inactive', 'org_inactive', 'permanent'],
  ['invalid_grant', 'inactive organization', 'org_inactive', 'permanent'],
  ['inactive_org', 'Org is locked, closed, or suspended', 'org_inactive', 'permanent'],
  ['inactive_org', '', 'org_inactive', 'permanent'],
  ['invalid_grant', 'user is locked', 'user_locked', 'permanent'],
  ['invalid_grant', 'login rate exceeded', 'login_rate_exceeded', 'wait'],
  ['rate_limit_exceeded', 'Number of logins exceeded', 'login_rate_exceeded', 'wait'],
  ['rate_limit_exceeded', '', 'login_rate_exceeded', 'wait'],
  ['invalid_grant', 'no client credentials user enabled', 'run_as_user_missing', 'permanent'],
  [
    'invalid_grant',
    'client credentials flow not enabled',
    'client_credentials_flow_disabled',
    'permanent',
  ],
  ['invalid_grant', 'request not supported on this domain', 'domain_not_supported', 'permanent'],
  ['invalid_grant', 'no valid scopes', 'no_valid_scopes', 'permanent'],
  ['invalid_grant', 'invalid authorization code', 'authorization_code_invalid', 'permanent'],
  ['invalid_grant', 'invalid code verifier', 'code_verifier_invalid', 'permanent'],
  ['invalid_grant', 'authentication failure', 'user_credentials_invalid', 'permanent'],
  [
    'invalid_grant',
    'authentication failure - Invalid Password',
    'user_credentials_invalid',
    'permanent',
  ],
  ['invalid_grant', 'invalid user credentials', 'user_credentials_invalid', 'permanent'],
  ['invalid_grant', 'activation secret invalid', 'identity_verification_required', 'permanent'],
  ['invalid_client_id', 'client identifier invalid', 'client_id_invalid', 'permanent'],
  ['invalid_client_id', '', 'client_id_invalid', 'permanent'],
  ['invalid_client', 'invalid client credentials', 'client_credentials_invalid', 'permanent'],
  ['invalid_client', 'app must be installed into org', 'app_not_installed', 'permanent'],
  [
    'app_not_found',
    'External client app is not installed in this org',
    'app_not_found',
    'permanent',
  ],
  ['OAUTH_EC_APP_NOT_FOUND', '', 'app_not_found', 'permanent'],
  [
    'invalid_app_access',
    'user is not admin approved to access this app',
    'user_not_admin_approved',
    'permanent',
  ],
  ['OAUTH_APP_ACCESS_DENIED', '', 'user_not_admin_approved', 'permanent'],
  ['OAUTH_APP_BLOCKED', 'this app is blocked by admin', 'app_blocked', 'permanent'],
  ['OAUTH_APP_BLOCKED', '', 'app_blocked', 'permanent'],
  [
    'OAUTH_AUTHORIZATION_BLOCKED',
    'Cross-org OAuth flows are not supported for this external client app',
    'cross_org_blocked',
    'permanent',
  ],
  ['OAUTH_AUTHORIZATION_BLOCKED', '', 'cross_org_blocked', 'permanent'],
  [
    'OAUTH_APPROVAL_ERROR_GENERIC',
    'An unexpected error has occurred during authentication. Please try again.',
    'approval_failed',
    'permanent',
  ],
  ['invalid_request', 'scope parameter not supported', 'scope_not_supported', 'permanent'],
  ['invalid_request', 'jti already in use', 'assertion_replayed', 'permanent'],
  ['invalid_request', 'missing required dpop_jkt for code binding', 'dpop_required', 'permanent'],
  ['invalid_dpop_proof', '', 'dpop_proof_invalid', 'permanent'],
  ['use_dpop_nonce', '', 'dpop_nonce_wanted', 'transient'],
  ['invalid_request', 'missing required code challenge', 'code_challenge_missing', 'permanent'],
  ['invalid_request', 'HTTPS required', 'https_required', 'permanent'],
  ['invalid_request', 'must use HTTP POST', 'http_method_wrong', 'permanent'],
  ['invalid_request', 'Must use HTTP GET', 'http_method_wrong', 'permanent'],
  ['invalid_request', 'refresh_token scope is required', 'refresh_scope_required', 'permanent'],
  [
    'invalid_request',
    'refresh_token scope is required and the connected app should be installed and preauthorized.',
    'refresh_scope_required',
    'permanent',
  ],
  ['invalid_grant', 'token handler validation failed', 'token_handler_failed', 'permanent'],
  ['unsupported_grant_type', 'grant type not supported', 'grant_type_unsupported', 'permanent'],
  ['unsupported_response_type', '', 'response_type_unsupported', 'permanent'],
  ['invalid_scope', '', 'scope_invalid', 'permanent'],
  [
    'redirect_uri_mismatch',
    'redirect_uri must match configuration',
    'redirect_uri_mismatch',
    'permanent',
  ],
  ['redirect_uri_missing', '', 'redirect_uri_missing', 'permanent'],
  ['immediate_unsuccessful', '', 'immediate_unsuccessful', 'permanent'],
  ['access_denied', 'end-user denied authorization', 'access_denied', 'permanent'],
  ['authorization_pending', '', 'authorization_pending', 'transient'],
  ['slow_down', '', 'authorization_pending', 'transient'],
  ['unknown_error', 'retry your request', 'unknown_error', 'transient'],
  ['unknown_error', '', 'unknown_error', 'transient'],
  ['Data Not Available', '', 'data_not_available', 'permanent'],
  ['invalid_grant', 'Data Not Available', 'data_not_available', 'permanent'],
  ['invalid_client', 'words of next year', 'client_refused', 'permanent'],
  ['invalid_grant', '', 'unrecognised', 'permanent'],
  ['invalid_grant', 'words of next year', 'unrecognised', 'permanent'],
  ['invalid_request', '', 'unrecognised', 'permanent'],
  ['constructor', '__proto__', 'unrecognised', 'permanent'],
] as const

t.test('knows every refusal that Salesforce is known to give, in any case', async (t) => {
  for (const [error, errorDescription, reason, kind] of KNOWN) {
    const name = `${error}: ${errorDescription}`
    t.match(classify({ error, errorDescription }), { reason, class: kind }, name)
    const loud = {
      error: error.toUpperCase(),
      errorDescription: `Oops: ${errorDescription.toUpperCase()}!`,
    }
    t.match(classify(loud), { reason, class: kind }, `${name}, loud`)
  }
  const reached = new Set<string>(KNOWN.map(([, , reason]) => reason))
  t.same(
    Object.keys(REFUSALS).filter((reason) => !reached.has(reason)),
    [],
    'no row is dead',
  )
})

t.test('gives the description precedence over the error', async (t) => {
  const answer = { error: 'unknown_error', errorDescription: 'inactive user' }
  t.equal(classify(answer).reason, 'user_inactive')
})

t.test('marks what a mint has to know', async (t) => {
  const marked = (flag: 'signature' | 'propagates' | 'retryOnce') =>
    Object.entries(REFUSALS)
      .filter(([, row]) => flag in row)
      .map(([reason]) => reason)
      .sort()
  t.same(marked('signature'), ['assertion_invalid', 'client_credentials_invalid'])
  t.same(marked('retryOnce'), ['assertion_expired', 'assertion_replayed'])
  t.same(marked('propagates'), [
    'app_not_found',
    'app_not_installed',
    'assertion_invalid',
    'client_credentials_flow_disabled',
    'client_credentials_invalid',
    'client_id_invalid',
    'dpop_required',
    'grant_type_unsupported',
    'no_valid_scopes',
    'refresh_scope_required',
    'run_as_user_missing',
    'user_not_admin_approved',
    'user_not_approved',
  ])
  t.ok(refusalRow('assertion_invalid').signature)
})

t.test('tells an operator what to do, for every reason', async (t) => {
  for (const [reason, row] of Object.entries(REFUSALS)) {
    t.match(reason, /^[a-z]+(_[a-z]+)*$/)
    t.match(row.cause, /^[A-Z].*\.$/, reason)
    t.match(row.remedy, /^[A-Z].*\.$/, reason)
    for (const text of row.texts) t.equal(text, text.toLowerCase())
    for (const error of row.errors) t.equal(error, error.toLowerCase())
  }
})

t.test('becomes a problem that carries the refusal, and is read back from it', async (t) => {
  const refusal = classify({ error: 'invalid_grant', errorDescription: 'inactive user' })
  const problem = grantRefused(refusal)
  t.match(problem, { code: 'grant_refused', status: 424, retryAfterMs: undefined })
  t.same(problem.members.refusal, {
    error: 'invalid_grant',
    error_description: 'inactive user',
    reason: 'user_inactive',
    class: 'permanent',
    cause: REFUSALS.user_inactive.cause,
    remedy: REFUSALS.user_inactive.remedy,
    setup_path: REFUSALS.user_inactive.setupPath,
  })
  t.same(refusalOf(problem), refusal)
  const bare = classify({ error: 'access_denied' })
  t.same(refusalOf(grantRefused(bare)), bare)
  t.equal(refusalOf(new BrokerError('internal', 'x')), undefined)
  t.equal(refusalOf(new Error('x')), undefined)
  t.equal(refusalOf(undefined), undefined)
})

t.test('answers 503 with a time to wait where waiting helps', async (t) => {
  const wait = grantRefused(classify({ error: 'rate_limit_exceeded' }))
  t.match(wait, { status: 503, retryAfterMs: 3_600_000 })
  const transient = grantRefused(classify({ error: 'unknown_error' }))
  t.equal(transient.status, 503)
  t.ok((transient.retryAfterMs ?? 0) > 0)
  const refusal = classify({ error: 'invalid_client_id' })
  t.match(grantRefused({ ...refusal, class: 'propagating' }), {
    status: 503,
    retryAfterMs: 30_000,
    members: { refusal: { class: 'propagating', reason: 'client_id_invalid' } },
  })
})

t.test('repeats nothing secret and nothing invisible of what Salesforce wrote', async (t) => {
  const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl'
  const { error, errorDescription } = classify({
    error: 'bad\r\nerror\u0000 hunter2-secret',
    errorDescription: `got ${jwt}, 00Dxx0000001gPL!AR8AQ.x_y and 5Aep861abc.def; hunter2-secret\u202e\u2028!`,
    secrets: ['hunter2-secret', ''],
  })
  t.equal(error, 'bad error [secret]')
  t.equal(errorDescription, 'got [secret], [secret] and [secret]; [secret] !')
  const cut = classify({ error: 'e'.repeat(500), errorDescription: 'd'.repeat(5_000) })
  t.equal(cut.error.length, 100)
  t.equal(cut.errorDescription?.length, 300)
  const atTheEdge = classify({
    error: 'x',
    errorDescription: `${'d'.repeat(295)}hunter2-secret`,
    secrets: ['hunter2-secret'],
  })
  t.notMatch(atTheEdge.errorDescription, /hunt/)
})

t.test('classifies any text, and shows only printable characters of it', async (t) => {
  const property = fc.property(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'binary', maxLength: 1_000 }),
    (error, errorDescription) => {
      const refusal = classify({ error, errorDescription })
      return (
        refusal.reason in REFUSALS &&
        !/\p{C}/u.test(`${refusal.error}${refusal.errorDescription}`) &&
        [...(refusal.errorDescription ?? '')].length <= 300
      )
    },
  )
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1_000 }))
})
