import { key, type Misconfiguration, stranger } from './misconfiguration.ts'
import { assertionFor, CLIENT_ASSERTION, mintBySecret, post, TOKEN_PATH } from './requester.ts'

/** What may be wrong with an app, or how it proves itself. */
export const CLIENT_MISCONFIGURATIONS: readonly Misconfiguration[] = [
  {
    what: 'client credentials at the login host',
    error: 'invalid_grant',
    description: 'request not supported on this domain',
    request: ({ simulator, service }) => mintBySecret(service, {}, simulator.origins.login),
  },
  {
    what: 'a wrong secret',
    error: 'invalid_client',
    description: 'invalid client credentials',
    request: ({ service }) => mintBySecret(service, { client_secret: 'wrong' }),
  },
  {
    what: "a client assertion with another's key",
    error: 'invalid_client',
    description: 'invalid client credentials',
    async request({ simulator, service }) {
      simulator.updateApp(service.clientId, { certificatePem: key.certificatePem })
      return post(simulator.origins.myDomain, TOKEN_PATH, {
        grant_type: 'client_credentials',
        client_assertion_type: CLIENT_ASSERTION,
        client_assertion: await assertionFor(service, stranger, { sub: service.clientId }),
      })
    },
  },
  {
    what: 'the client credentials grant turned off',
    error: 'invalid_grant',
    description: 'client credentials flow not enabled',
    request({ simulator, service }) {
      simulator.updateApp(service.clientId, { clientCredentialsFlow: false })
      return mintBySecret(service)
    },
  },
  {
    what: 'no run-as user',
    error: 'invalid_grant',
    description: 'no client credentials user enabled',
    request({ simulator, service }) {
      simulator.updateApp(service.clientId, { runAsUsername: null })
      return mintBySecret(service)
    },
  },
  {
    what: 'scopes of which none is left',
    error: 'invalid_grant',
    description: 'no valid scopes',
    request({ simulator, service }) {
      simulator.updateApp(service.clientId, { scopes: ['full', 'refresh_token'] })
      return mintBySecret(service)
    },
  },
  {
    what: 'an app that requires PKCE',
    error: 'invalid_request',
    description: 'missing required code challenge',
    request({ simulator, service }) {
      simulator.updateApp(service.clientId, { pkceRequired: true })
      return mintBySecret(service)
    },
  },
  {
    what: 'a blocked app',
    error: 'OAUTH_APP_BLOCKED',
    description: 'this app is blocked by admin',
    request({ simulator, service }) {
      simulator.updateApp(service.clientId, { blocked: true })
      return mintBySecret(service)
    },
  },
  {
    what: 'an external client app that is not installed',
    error: 'app_not_found',
    description: 'External client app is not installed in this org',
    request({ simulator, service }) {
      simulator.updateApp(service.clientId, { installed: false })
      return mintBySecret(service)
    },
  },
  {
    what: 'a connected app that is not installed',
    error: 'invalid_client',
    description: 'app must be installed into org',
    request({ simulator }) {
      const app = simulator.addClientCredentialsApp({ kind: 'connected_app', installed: false })
      return mintBySecret(app)
    },
  },
]
