/** A newcomer mends broken integrations by what the answers say, and by nothing else. */
import t from 'tap'
import type { Simulator } from '../../simulator/handle.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { createNewcomer } from './newcomer.ts'
import {
  assertNoBug,
  clientCredentials,
  credentialOf,
  type Definition,
  jwtBearer,
  register,
  stranger,
  type Way,
  world,
} from './salesforce-world.ts'

interface Broken {
  readonly what: string
  /** What is advised, step by step. */
  readonly advice: readonly string[]
  readonly way: Way
  readonly change?: (body: Definition, simulator: Simulator) => Definition
  readonly spoil?: (simulator: Simulator, clientId: string) => unknown
}

const withGrant = (more: Definition) => (body: Definition) => ({
  ...body,
  grant: { ...(body.grant as Definition), ...more },
})
const app =
  (changes: Parameters<Simulator['updateApp']>[1]) => (simulator: Simulator, clientId: string) =>
    simulator.updateApp(clientId, changes)
const user = (changes: Parameters<Simulator['updateUser']>[1]) => (simulator: Simulator) =>
  simulator.updateUser('billing@acme.com', changes)

const ending = await newSigningKey('ending', 7)
const draft = { type: 'jwt_bearer', username: 'billing@acme.com' }

const BROKEN: readonly Broken[] = [
  {
    what: 'nothing but a user name',
    advice: ['definition', 'definition'],
    way: jwtBearer,
    change: ({ login_url }) => ({ login_url, grant: draft }),
  },
  {
    what: 'a key without an app',
    advice: ['definition'],
    way: jwtBearer,
    change: ({ login_url }) => ({ login_url, grant: draft, credential: { generate: {} } }),
  },
  {
    what: 'one that somebody turned off',
    advice: ['definition'],
    way: jwtBearer,
    change: (body) => ({ ...body, enabled: false }),
  },
  {
    what: 'a user who is not assigned to the app',
    advice: ['mint'],
    way: jwtBearer,
    spoil: app({ approvedUsernames: [] }),
  },
  {
    what: 'the audience of sandboxes',
    advice: ['audience'],
    way: jwtBearer,
    change: withGrant({ audience: 'https://test.salesforce.com' }),
  },
  {
    what: "another org's host",
    advice: ['audience', 'mint'],
    way: jwtBearer,
    change: (body, { origins }) => ({ ...body, login_url: origins.sandbox }),
  },
  {
    what: "another key's certificate in the app",
    advice: ['mint'],
    way: jwtBearer,
    spoil: app({ certificatePem: stranger.certificate }),
  },
  {
    what: 'an app without a certificate',
    advice: ['mint'],
    way: jwtBearer,
    spoil: app({ certificatePem: null }),
  },
  {
    what: 'client credentials at the login host',
    advice: ['mint'],
    way: clientCredentials,
    change: (body, { origins }) => ({ ...body, login_url: origins.login }),
  },
  {
    what: 'a wrong secret',
    advice: ['mint'],
    way: clientCredentials,
    change: (body) => ({ ...body, credential: { client_secret: 'of-last-year' } }),
  },
  {
    what: 'the flow turned off',
    advice: ['mint'],
    way: clientCredentials,
    spoil: app({ clientCredentialsFlow: false }),
  },
  {
    what: 'no run-as user',
    advice: ['mint'],
    way: clientCredentials,
    spoil: app({ runAsUsername: null }),
  },
  {
    what: 'PKCE required',
    advice: ['mint'],
    way: clientCredentials,
    spoil: app({ pkceRequired: true }),
  },
  {
    what: 'a blocked app',
    advice: ['mint'],
    way: clientCredentials,
    spoil: app({ blocked: true }),
  },
  {
    what: 'a frozen user',
    advice: ['mint'],
    way: clientCredentials,
    spoil: user({ state: 'frozen' }),
  },
  {
    what: 'an address outside the ranges of the user',
    advice: ['mint'],
    way: jwtBearer,
    spoil: user({ loginIpRanges: ['203.0.113.0/24'] }),
  },
  {
    what: 'an app without the scope api',
    advice: ['scopes'],
    way: jwtBearer,
    spoil: app({ scopes: ['id', 'refresh_token'] }),
  },
  {
    what: 'a certificate that is about to end',
    advice: ['certificate'],
    way: (simulator) => {
      const { app, body } = jwtBearer(simulator)
      simulator.updateApp(app.clientId, { certificatePem: ending.certificate })
      return { app, body: { ...body, credential: credentialOf(ending) } }
    },
  },
]

t.test('each broken integration is mended by what the answers say', async (t) => {
  const here = await world(t)
  const { simulator, broker } = here
  for (const { what, advice, way, change, spoil } of BROKEN) {
    await t.test(what, async (t) => {
      const { name, app } = await register(here, way, (body) => change?.(body, simulator) ?? body)
      spoil?.(simulator, app.clientId)
      const newcomer = createNewcomer({ world: here, name, app })
      t.strictSame(await newcomer.mend(), advice)
      const { status, body } = await broker.call('GET', `/tokens/${name}`)
      t.match({ status, body }, { status: 200, body: { access_token: String } })
      simulator.updateUser('billing@acme.com', { state: 'active', loginIpRanges: null })
    })
  }
  assertNoBug(t, broker)
})
