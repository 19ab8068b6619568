import { claimed, key, type Misconfiguration, stranger } from './misconfiguration.ts'
import {
  assertionFor,
  JWT_BEARER,
  mintByAssertion,
  mintBySecret,
  post,
  TOKEN_PATH,
} from './requester.ts'

const nowSeconds = () => Math.floor(Date.now() / 1000)

/** What may be wrong with a request or its assertion. */
export const ASSERTION_MISCONFIGURATIONS: readonly Misconfiguration[] = [
  {
    what: 'no grant type',
    error: 'unsupported_grant_type',
    description: 'grant type not supported',
    request: ({ simulator }) => post(simulator.origins.login, TOKEN_PATH, {}),
  },
  {
    what: 'a form without its content type',
    error: 'unsupported_grant_type',
    description: 'grant type not supported',
    request: ({ simulator, service }) =>
      post(
        simulator.origins.myDomain,
        TOKEN_PATH,
        {
          grant_type: 'client_credentials',
          client_id: service.clientId,
          client_secret: service.clientSecret,
        },
        { 'content-type': 'text/plain' },
      ),
  },
  {
    what: 'a scope with an assertion',
    error: 'invalid_request',
    description: 'scope parameter not supported',
    request: async ({ simulator, jwt }) =>
      post(simulator.origins.login, TOKEN_PATH, {
        grant_type: JWT_BEARER,
        assertion: await assertionFor(jwt, key),
        scope: 'api',
      }),
  },
  {
    what: 'a scope with client credentials',
    error: 'invalid_request',
    description: 'scope parameter not supported',
    request: ({ service }) => mintBySecret(service, { scope: 'api' }),
  },
  {
    what: 'an assertion that is no JWT',
    error: 'invalid_grant',
    description: 'invalid assertion',
    request: ({ simulator }) =>
      post(simulator.origins.login, TOKEN_PATH, { grant_type: JWT_BEARER, assertion: 'not.a.jwt' }),
  },
  {
    what: 'an unknown consumer key',
    error: 'invalid_client_id',
    description: 'client identifier invalid',
    request: claimed({ iss: '3MVG9unknown' }),
  },
  {
    what: 'a production app at the test host',
    error: 'invalid_client_id',
    description: 'client identifier invalid',
    request: ({ simulator, jwt }) => mintByAssertion(jwt, key, {}, simulator.origins.test),
  },
  {
    what: "an external client app at another org's My Domain",
    error: 'app_not_found',
    description: 'External client app is not installed in this org',
    request: ({ simulator, jwt }) => mintByAssertion(jwt, key, {}, simulator.origins.sandbox),
  },
  {
    what: "another's key",
    error: 'invalid_client',
    description: 'invalid client credentials',
    request: ({ jwt }) => mintByAssertion(jwt, stranger),
  },
  {
    what: "another's key, as older reports have it",
    error: 'invalid_grant',
    description: 'invalid assertion',
    request({ simulator, jwt }) {
      simulator.configure({ badSignature: 'assertion_invalid' })
      return mintByAssertion(jwt, stranger)
    },
  },
  {
    what: 'an app without a certificate',
    error: 'invalid_client',
    description: 'invalid client credentials',
    request({ simulator, jwt }) {
      simulator.updateApp(jwt.clientId, { certificatePem: null })
      return mintByAssertion(jwt, key)
    },
  },
  {
    what: 'an algorithm other than RS256',
    error: 'invalid_client',
    description: 'invalid client credentials',
    async request({ simulator, jwt }) {
      const assertion = await assertionFor(jwt, key)
      const [, payload, signature] = assertion.split('.')
      const header = Buffer.from('{"alg":"HS256"}').toString('base64url')
      const forged = `${header}.${payload}.${signature}`
      return post(simulator.origins.login, TOKEN_PATH, {
        grant_type: JWT_BEARER,
        assertion: forged,
      })
    },
  },
  {
    what: 'the audience of sandboxes for a production org',
    error: 'invalid_grant',
    description: 'audience is invalid',
    request: claimed({ aud: 'https://test.salesforce.com' }),
  },
  {
    what: 'the token URL as audience',
    error: 'invalid_grant',
    description: 'audience is invalid',
    request: claimed({ aud: `https://login.salesforce.com${TOKEN_PATH}` }),
  },
  {
    what: 'an assertion that ended five minutes ago',
    error: 'invalid_grant',
    description: 'expired authorization code',
    request: claimed({ exp: nowSeconds() - 300 }),
  },
  {
    what: 'an assertion that ends too late, where there is a bound',
    error: 'invalid_grant',
    description: 'expired authorization code',
    request({ simulator, jwt }) {
      simulator.configure({ assertionMaxAheadMs: 180_000 })
      return mintByAssertion(jwt, key, { exp: nowSeconds() + 240 })
    },
  },
  {
    what: 'an assertion that never ends',
    error: 'invalid_grant',
    description: 'invalid assertion',
    request: claimed({ exp: undefined }),
  },
  {
    what: 'an assertion sent twice',
    error: 'invalid_request',
    description: 'jti already in use',
    async request({ simulator, jwt }) {
      const form = { grant_type: JWT_BEARER, assertion: await assertionFor(jwt, key) }
      await post(simulator.origins.login, TOKEN_PATH, form)
      return post(simulator.origins.login, TOKEN_PATH, form)
    },
  },
]
