/** What an operator got wrong in Salesforce or here is told for what it is. */
import t from 'tap'
import type { AppSeed, Simulator } from '../../simulator/handle.ts'
import type { RefusalReason } from '../../src/grants/refusals/refusal-table.ts'
import { type MeddlingProxyOptions, startMeddlingProxy } from '../support/meddling-proxy.ts'
import {
  assertNoBug,
  assertRefused,
  clientCredentials,
  credentialOf,
  type Definition,
  jwtBearer,
  key,
  MINUTE_MS,
  PROPAGATION_MS,
  register,
  stranger,
  type Way,
  world,
} from './salesforce-world.ts'

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
    what: 'the same in the words of the documentation',
    reason: 'ip_restricted',
    way: clientCredentials,
    spoil: (simulator, app) => {
      simulator.configure({ restrictionWording: 'combined' })
      simulator.updateUser(app.username, { loginIpRanges: ['203.0.113.0/24'] })
    },
  },
  {
    what: 'a user who is not assigned, in the words of other reports',
    reason: 'user_not_admin_approved',
    way: jwtBearer,
    spoil: (simulator, app) => {
      const { notAssigned } = simulator.settings()
      const jwtBearer = 'user_not_admin_approved'
      simulator.configure({ notAssigned: { ...notAssigned, jwtBearer } })
      simulator.updateApp(app.clientId, { approvedUsernames: [] })
    },
  },
  {
    what: 'a trial org that is over',
    reason: 'data_not_available',
    way: jwtBearer,
    spoil: (simulator) => simulator.updateOrg(simulator.acme.id, { expired: true }),
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
      simulator.updateOrg(simulator.acme.id, { active: true, expired: false })
      simulator.updateUser(app.username, { state: 'active', loginIpRanges: null, loginHours: null })
    })
  }
  assertNoBug(t, broker)
})

interface Meddling {
  readonly what: string
  readonly reason: RefusalReason
  readonly meddle: MeddlingProxyOptions['meddle']
}

/** What a proxy on the way does to requests, as some do. */
const MEDDLINGS: readonly Meddling[] = [
  {
    what: 'it sends each request twice',
    reason: 'assertion_replayed',
    meddle: (request) => [request, request],
  },
  {
    what: 'it adds a scope',
    reason: 'scope_not_supported',
    meddle: (request) => [{ ...request, body: `${request.body}&scope=api` }],
  },
  {
    what: 'it drops the media type',
    reason: 'grant_type_unsupported',
    meddle: (request) => [
      { ...request, headers: { ...request.headers, 'content-type': 'text/plain' } },
    ],
  },
  {
    what: 'it makes another method of it',
    reason: 'http_method_wrong',
    meddle: (request) => [{ ...request, method: 'GET' }],
  },
  {
    what: 'it takes TLS off for an org that wants it',
    reason: 'https_required',
    meddle: (request) => [request],
  },
]

t.test('what a proxy on the way does is told for what it is', async (t) => {
  for (const { what, reason, meddle } of MEDDLINGS) {
    await t.test(what, async (t) => {
      let target = ''
      const proxy = await startMeddlingProxy(t, {
        target: () => target,
        meddle: (request) => (request.method === 'POST' ? meddle(request) : [request]),
      })
      const here = await world(t, [proxy])
      const { simulator, broker, pass } = here
      target = simulator.origins.myDomain
      simulator.configure({ httpsOnly: reason === 'https_required' })
      const { name } = await register(here, jwtBearer, (body) => ({ ...body, login_url: proxy }))
      pass(PROPAGATION_MS + MINUTE_MS)
      assertRefused(t, await broker.call('GET', `/tokens/${name}`), reason)
      assertNoBug(t, broker)
    })
  }
})
