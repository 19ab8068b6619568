/** Whatever Salesforce says instead of a token, the answer is the right problem, and never a bug. */
import t, { type Test } from 'tap'
import type { Fault } from '../../simulator/faults.ts'
import { type RefusalName, REFUSALS as SPOKEN } from '../../simulator/refusals.ts'
import { type AppSeed, type Simulator, startSimulator } from '../../simulator/simulator.ts'
import type { ProblemCode } from '../../src/errors.ts'
import { REFUSALS, type RefusalReason } from '../../src/grants/refusal-table.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'
import type { Answer } from '../support/caller.ts'
import { problemFaults } from '../support/problem.ts'
import { newSigningKey } from '../support/signing-key.ts'

const MINUTE_MS = 60_000
/** For so long a change in Setup explains what is refused. */
const PROPAGATION_MS = 10 * MINUTE_MS

const key = await newSigningKey()
const stranger = await newSigningKey('stranger')

/** A Salesforce and a broker that share a clock. */
async function world(t: Test) {
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.stop())
  const { myDomain, sandbox, login, test } = simulator.origins
  const loginHosts = [myDomain, sandbox, login, test]
  // No pause between tries.
  const broker = await startBroker(t, { loginHosts, now, random: () => 0 })
  return {
    simulator,
    broker,
    pass(ms: number) {
      aheadMs += ms
    },
  }
}

type World = Awaited<ReturnType<typeof world>>

interface Registered {
  readonly name: string
  readonly app: AppSeed
}

const credentialOf = (pair: typeof key) => ({
  private_key: pair.privateKey,
  certificate: pair.certificate,
})

type Definition = Readonly<Record<string, unknown>>
type Way = (simulator: Simulator) => { readonly app: AppSeed; readonly body: Definition }

const jwtBearer: Way = (simulator) => {
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  const grant = { type: 'jwt_bearer', client_id: app.clientId, username: app.username }
  return { app, body: { login_url: app.loginUrl, grant, credential: credentialOf(key) } }
}

const clientCredentials: Way = (simulator) => {
  const app = simulator.addClientCredentialsApp()
  const grant = { type: 'client_credentials', client_id: app.clientId }
  const credential = { client_secret: app.clientSecret }
  return { app, body: { login_url: app.loginUrl, grant, credential } }
}

let count = 0

async function register(
  { simulator, broker }: World,
  way: Way,
  change: (body: Definition) => Definition = (body) => body,
): Promise<Registered> {
  count += 1
  const name = `refused-${count}`
  const { app, body } = way(simulator)
  const put = await broker.call('PUT', `/integrations/${name}`, { body: change(body) })
  if (put.status !== 201) throw new Error(JSON.stringify(put.body))
  return { name, app }
}

function assertProblem(t: Test, answer: Answer): void {
  const faults = problemFaults({
    status: answer.status,
    contentType: answer.headers.get('content-type'),
    requestId: answer.headers.get('x-request-id'),
    body: answer.body,
  })
  t.same(faults, [])
}

function assertRefused(t: Test, answer: Answer, reason: RefusalReason): void {
  const { class: kind, cause, remedy, setupPath } = REFUSALS[reason]
  assertProblem(t, answer)
  t.match(answer, {
    status: kind === 'permanent' ? 424 : 503,
    body: {
      code: 'grant_refused',
      refusal: { reason, class: kind, cause, remedy, setup_path: setupPath },
    },
  })
  t.equal(answer.headers.has('retry-after'), kind !== 'permanent', 'Retry-After where it helps')
}

/** A change forgets what was refused, and a host that failed has rested. */
async function assertServes(t: Test, { broker, pass }: World, name: string): Promise<void> {
  pass(2 * MINUTE_MS)
  const body = { description: 'changed' }
  const headers = { 'if-match': '*' }
  t.equal((await broker.call('PATCH', `/integrations/${name}`, { body, headers })).status, 200)
  const { status, body: token } = await broker.call('GET', `/tokens/${name}`)
  t.match({ status, token }, { status: 200, token: { access_token: String } })
}

function assertNoBug(t: Test, { logs }: TestBroker): void {
  t.same(
    logs()
      .split('\n')
      .filter((line) => /"level":"(?:error|fatal)"|"code":"internal"/.test(line)),
    [],
  )
}

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
  app_blocked: 'app_blocked',
  approval_error: 'approval_failed',
  scope_not_supported: 'scope_not_supported',
  jti_in_use: 'assertion_replayed',
  code_challenge_missing: 'code_challenge_missing',
  https_required: 'https_required',
  post_required: 'http_method_wrong',
  refresh_scope_required: 'refresh_scope_required',
  grant_not_supported: 'grant_type_unsupported',
  authorization_pending: 'authorization_pending',
  slow_down: 'authorization_pending',
  access_denied: 'access_denied',
  retry_your_request: 'unknown_error',
  data_not_available: 'data_not_available',
}

/** Those that the documents list by their code, without words. */
const CODES: Readonly<Record<string, RefusalReason>> = {
  unsupported_response_type: 'response_type_unsupported',
  invalid_scope: 'scope_invalid',
  redirect_uri_mismatch: 'redirect_uri_mismatch',
  redirect_uri_missing: 'redirect_uri_missing',
  immediate_unsuccessful: 'immediate_unsuccessful',
  invalid_client: 'client_refused',
  words_of_next_year: 'unrecognised',
}

const WAYS = { jwt_bearer: jwtBearer, client_credentials: clientCredentials }

for (const [grant, way] of Object.entries(WAYS)) {
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
        assertRefused(t, answer, reason)
        if (fault.kind === 'refusal') {
          const { error, errorDescription } = SPOKEN[fault.refusal]
          t.match(answer.body.refusal, { error, error_description: errorDescription })
        }
        const { class: kind, ...flags } = REFUSALS[reason]
        const tries = kind === 'transient' ? 4 : 'retryOnce' in flags ? 2 : 1
        t.equal(ordered.hits(), tries, 'tried again where that may help')
        assertRefused(t, await broker.call('GET', `/tokens/${name}`), reason)
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
})

interface Misconfiguration {
  readonly what: string
  readonly reason: RefusalReason
  readonly way: Way
  readonly change?: (body: Definition, simulator: Simulator) => Definition
  readonly spoil?: (simulator: Simulator, app: AppSeed) => unknown
}

const grantWith = (more: Definition) => (body: Definition) => ({
  ...body,
  grant: { ...(body.grant as Definition), ...more },
})
const user =
  (changes: Parameters<Simulator['updateUser']>[1]) => (simulator: Simulator, app: AppSeed) =>
    simulator.updateUser(app.username, changes)
const appWith =
  (changes: Parameters<Simulator['updateApp']>[1]) => (simulator: Simulator, app: AppSeed) =>
    simulator.updateApp(app.clientId, changes)
const knobs = (changes: Parameters<Simulator['configure']>[0]) => (simulator: Simulator) =>
  simulator.configure(changes)

const MISCONFIGURATIONS: readonly Misconfiguration[] = [
  {
    what: 'an unknown username',
    reason: 'user_not_approved',
    way: jwtBearer,
    change: grantWith({ username: 'nobody@acme.com' }),
  },
  {
    what: 'a user who is not assigned to the app',
    reason: 'user_not_approved',
    way: jwtBearer,
    spoil: appWith({ approvedUsernames: [] }),
  },
  {
    what: 'a user who never approved the app',
    reason: 'user_not_approved',
    way: jwtBearer,
    spoil: appWith({ permittedUsers: 'self_authorize', approvedUsernames: [] }),
  },
  {
    what: 'the audience of sandboxes',
    reason: 'audience_invalid',
    way: jwtBearer,
    change: grantWith({ audience: 'https://test.salesforce.com' }),
  },
  {
    what: 'a key that is not the one of the certificate',
    reason: 'client_credentials_invalid',
    way: jwtBearer,
    change: (body) => ({ ...body, credential: credentialOf(stranger) }),
  },
  {
    what: 'the same in the words of older reports',
    reason: 'assertion_invalid',
    way: jwtBearer,
    change: (body) => ({ ...body, credential: credentialOf(stranger) }),
    spoil: knobs({ badSignature: 'assertion_invalid' }),
  },
  {
    what: 'an app without a certificate',
    reason: 'client_credentials_invalid',
    way: jwtBearer,
    spoil: appWith({ certificatePem: null }),
  },
  {
    what: 'assertions that may not be that long',
    reason: 'assertion_expired',
    way: jwtBearer,
    spoil: knobs({ assertionMaxAheadMs: MINUTE_MS }),
  },
  {
    what: 'an unknown consumer key',
    reason: 'client_id_invalid',
    way: jwtBearer,
    change: grantWith({ client_id: '3MVG9.unknown' }),
  },
  {
    what: 'a production app at the test host',
    reason: 'client_id_invalid',
    way: jwtBearer,
    change: (body, { origins }) => ({ ...body, login_url: origins.test }),
  },
  {
    what: "another org's My Domain",
    reason: 'app_not_found',
    way: jwtBearer,
    change: (body, { origins }) => ({ ...body, login_url: origins.sandbox }),
  },
  {
    what: 'an inactive user',
    reason: 'user_inactive',
    way: jwtBearer,
    spoil: user({ state: 'inactive' }),
  },
  {
    what: 'a frozen user',
    reason: 'user_inactive',
    way: clientCredentials,
    spoil: user({ state: 'frozen' }),
  },
  {
    what: 'a locked user',
    reason: 'user_locked',
    way: jwtBearer,
    spoil: user({ state: 'locked' }),
  },
  {
    what: 'an inactive org',
    reason: 'org_inactive',
    way: clientCredentials,
    spoil: (simulator) => simulator.updateOrg(simulator.acme.id, { active: false }),
  },
  {
    what: 'an address outside the ranges of the user',
    reason: 'ip_restricted',
    way: jwtBearer,
    spoil: user({ loginIpRanges: ['203.0.113.0/24'] }),
  },
  {
    what: 'an hour outside those of the user',
    reason: 'login_hours',
    way: jwtBearer,
    spoil: user({ loginHours: { from: 0, to: 0 } }),
  },
  {
    what: 'more logins than an hour has',
    reason: 'login_rate_exceeded',
    way: clientCredentials,
    spoil: knobs({ loginsPerHour: 0 }),
  },
  {
    what: 'client credentials at the login host',
    reason: 'domain_not_supported',
    way: clientCredentials,
    change: (body, { origins }) => ({ ...body, login_url: origins.login }),
  },
  {
    what: 'a wrong secret',
    reason: 'client_credentials_invalid',
    way: clientCredentials,
    change: (body) => ({ ...body, credential: { client_secret: 'another-secret' } }),
  },
  {
    what: 'a wrong secret in the body',
    reason: 'client_credentials_invalid',
    way: clientCredentials,
    change: (body) => ({
      ...grantWith({ client_auth: 'client_secret_post' })(body),
      credential: { client_secret: 'another-secret' },
    }),
  },
  {
    what: 'a client assertion by a key that is not the one of the certificate',
    reason: 'client_credentials_invalid',
    way: clientCredentials,
    change: (body) => ({
      ...grantWith({ client_auth: 'private_key_jwt' })(body),
      credential: credentialOf(stranger),
    }),
    spoil: appWith({ certificatePem: key.certificate }),
  },
  {
    what: 'the flow turned off',
    reason: 'client_credentials_flow_disabled',
    way: clientCredentials,
    spoil: appWith({ clientCredentialsFlow: false }),
  },
  {
    what: 'no run-as user',
    reason: 'run_as_user_missing',
    way: clientCredentials,
    spoil: appWith({ runAsUsername: null }),
  },
  {
    what: 'a run-as user who is not assigned',
    reason: 'user_not_admin_approved',
    way: clientCredentials,
    spoil: appWith({ approvedUsernames: [] }),
  },
  {
    what: 'no scope that is good for anything',
    reason: 'no_valid_scopes',
    way: clientCredentials,
    spoil: appWith({ scopes: ['full'] }),
  },
  {
    what: 'PKCE required',
    reason: 'code_challenge_missing',
    way: clientCredentials,
    spoil: appWith({ pkceRequired: true }),
  },
  {
    what: 'a blocked app',
    reason: 'app_blocked',
    way: clientCredentials,
    spoil: appWith({ blocked: true }),
  },
  {
    what: 'an external client app that is not installed',
    reason: 'app_not_found',
    way: clientCredentials,
    spoil: appWith({ installed: false }),
  },
  {
    what: 'a connected app that is not installed',
    reason: 'app_not_installed',
    way: (simulator) => {
      const app = simulator.addClientCredentialsApp({ kind: 'connected_app', installed: false })
      const grant = { type: 'client_credentials', client_id: app.clientId }
      const credential = { client_secret: app.clientSecret }
      return { app, body: { login_url: app.loginUrl, grant, credential } }
    },
  },
]

t.test('what is set up wrong is told for what it is', async (t) => {
  const here = await world(t)
  const { simulator, broker, pass } = here
  const defaults = simulator.settings()
  for (const { what, reason, way, change, spoil } of MISCONFIGURATIONS) {
    await t.test(what, async (t) => {
      const { name, app } = await register(here, way, (body) => change?.(body, simulator) ?? body)
      pass(PROPAGATION_MS + MINUTE_MS)
      spoil?.(simulator, app)
      assertRefused(t, await broker.call('GET', `/tokens/${name}`), reason)
      simulator.configure(defaults)
      simulator.updateOrg(simulator.acme.id, { active: true })
      simulator.updateUser(app.username, { state: 'active', loginIpRanges: null, loginHours: null })
    })
  }
  assertNoBug(t, broker)
})

type FaultCase = readonly [what: string, fault: Fault, code: ProblemCode, detail?: string]

/** What becomes of an answer that is none. Every kind of fault of the simulator is here. */
const FAULTS: Readonly<
  Record<Exclude<Fault['kind'], 'refusal' | 'delay' | 'hold' | 'drip'>, readonly FaultCase[]>
> = {
  html: [
    ['a maintenance page', { kind: 'html' }, 'salesforce_unavailable'],
    ['a page with status 200', { kind: 'html', status: 200 }, 'salesforce_unavailable'],
    ['a page with status 404', { kind: 'html', status: 404 }, 'token_response_invalid'],
  ],
  empty: [
    ['nothing', { kind: 'empty' }, 'token_response_invalid'],
    ['nothing, with status 500', { kind: 'empty', status: 500 }, 'salesforce_unavailable'],
    ['nothing, with status 401', { kind: 'empty', status: 401 }, 'token_response_invalid'],
  ],
  invalid_json: [['half of an object', { kind: 'invalid_json' }, 'token_response_invalid']],
  redirect: [
    [
      'a redirect',
      { kind: 'redirect', location: 'https://example.com/' },
      'token_response_invalid',
    ],
    [
      'a redirect to itself',
      { kind: 'redirect', location: '/', status: 307 },
      'token_response_invalid',
    ],
  ],
  too_many_requests: [
    ['429', { kind: 'too_many_requests' }, 'salesforce_unavailable'],
    [
      '429 for an hour',
      { kind: 'too_many_requests', retryAfter: '3600' },
      'salesforce_unavailable',
    ],
    [
      '429 for ever',
      { kind: 'too_many_requests', retryAfter: '9'.repeat(30) },
      'salesforce_unavailable',
    ],
  ],
  reset: [['a connection that is reset', { kind: 'reset' }, 'salesforce_unavailable']],
  truncated: [['half of an answer', { kind: 'truncated' }, 'salesforce_unavailable']],
  oversize: [['128 KiB', { kind: 'oversize' }, 'token_response_invalid']],
  flood: [
    ['300 MB', { kind: 'flood' }, 'token_response_invalid'],
    ['300 MB, packed', { kind: 'flood', gzip: true }, 'token_response_invalid'],
  ],
  members: [
    ['no access_token', { kind: 'members', remove: ['access_token'] }, 'token_response_invalid'],
    ['no instance_url', { kind: 'members', remove: ['instance_url'] }, 'token_response_invalid'],
    [
      'a token that is a number',
      { kind: 'members', set: { access_token: 7 } },
      'token_response_invalid',
    ],
    ['an empty token', { kind: 'members', set: { access_token: '' } }, 'token_response_invalid'],
    [
      'a token that would be two headers',
      { kind: 'members', set: { access_token: '00D!a\r\nX-Evil: 1' } },
      'token_response_invalid',
    ],
    [
      'an instance_url that is none',
      { kind: 'members', set: { instance_url: 'x' } },
      'token_response_invalid',
    ],
    [
      'another token type',
      { kind: 'members', set: { token_type: 'mac' } },
      'token_response_invalid',
    ],
  ],
  foreign_instance_url: [
    ["somebody else's instance", { kind: 'foreign_instance_url' }, 'token_response_invalid'],
    [
      'an instance that looks like one',
      { kind: 'foreign_instance_url', instanceUrl: 'https://acme.my.salesforce.com.evil.example' },
      'token_response_invalid',
    ],
    [
      'an instance without TLS',
      { kind: 'foreign_instance_url', instanceUrl: 'http://acme.my.salesforce.com' },
      'token_response_invalid',
    ],
  ],
  answer: [
    [
      'a status without a body',
      { kind: 'answer', answer: { status: 418 } },
      'token_response_invalid',
    ],
    ['an array', { kind: 'answer', answer: { status: 200, body: '[]' } }, 'token_response_invalid'],
    ['null', { kind: 'answer', answer: { status: 200, body: 'null' } }, 'token_response_invalid'],
    [
      '__proto__',
      { kind: 'answer', answer: { status: 200, body: '{"__proto__":{"access_token":"a"}}' } },
      'token_response_invalid',
    ],
    [
      'an error that is an object',
      { kind: 'answer', answer: { status: 400, body: '{"error":{"a":1}}' } },
      'token_response_invalid',
    ],
    [
      'a server error in JSON',
      { kind: 'answer', answer: { status: 502, body: '{"error":"x"}' } },
      'salesforce_unavailable',
    ],
  ],
}

for (const [grant, way] of Object.entries(WAYS)) {
  t.test(`${grant}: what is no answer is a problem, and the next one serves`, async (t) => {
    const here = await world(t)
    const { simulator, broker, pass } = here
    for (const [what, fault, code] of Object.values(FAULTS).flat()) {
      for (const afterCommit of [false, true]) {
        await t.test(`${what}${afterCommit ? ', after the fact' : ''}`, async (t) => {
          const { name, app } = await register(here, way)
          const scope = { times: null, clientId: app.clientId, afterCommit }
          const ordered = simulator.addFault({ ...fault, ...scope })
          const answer = await broker.call('GET', `/tokens/${name}`)
          assertProblem(t, answer)
          t.equal(answer.body.code, code, JSON.stringify(answer.body))
          t.ok(ordered.hits() > 0)
          ordered.remove()
          // As long as a Retry-After is believed.
          pass(60 * MINUTE_MS)
          await assertServes(t, here, name)
        })
      }
    }
    assertNoBug(t, broker)
  })
}

t.test('a redirect from a My Domain to its new name is told as that', async (t) => {
  const here = await world(t)
  const { name } = await register(here, jwtBearer)
  const location = 'https://acme-new.my.salesforce.com/services/oauth2/token'
  here.simulator.addFault({ kind: 'redirect', location })
  const { body } = await here.broker.call('GET', `/tokens/${name}`)
  t.match(body, { code: 'token_response_invalid', detail: 'acme-new.my.salesforce.com' })
})

t.test('an answer that does not come in time is a time-out, and the next one serves', async (t) => {
  const slow: readonly Fault[] = [{ kind: 'delay', ms: 30_000 }, { kind: 'hold' }, { kind: 'drip' }]
  await Promise.all(
    slow.map(async (fault) => {
      const here = await world(t)
      const { name } = await register(here, clientCredentials)
      const ordered = here.simulator.addFault({ ...fault, times: null })
      const answer = await here.broker.call('GET', `/tokens/${name}`)
      assertProblem(t, answer)
      t.match(answer, { status: 504, body: { code: 'salesforce_timeout' } }, fault.kind)
      ordered.remove()
      await assertServes(t, here, name)
      assertNoBug(t, here.broker)
    }),
  )
})
