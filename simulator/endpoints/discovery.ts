import { type Answer, jsonAnswer } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import type { World } from '../world.ts'

/** Public documents of Salesforce: the OpenID configuration, and the keys of its JWTs. */
export function answerDiscovery({ role, origins }: Exchange): Answer {
  const issuer = issuerOf(role, origins)
  return jsonAnswer(200, {
    issuer,
    authorization_endpoint: `${issuer}/services/oauth2/authorize`,
    token_endpoint: `${issuer}/services/oauth2/token`,
    revocation_endpoint: `${issuer}/services/oauth2/revoke`,
    userinfo_endpoint: `${issuer}/services/oauth2/userinfo`,
    jwks_uri: `${issuer}/id/keys`,
    registration_endpoint: `${issuer}/services/oauth2/register`,
    introspection_endpoint: `${issuer}/services/oauth2/introspect`,
    scopes_supported: ['id', 'api', 'web', 'full', 'openid', 'refresh_token', 'offline_access'],
    response_types_supported: ['code', 'token', 'token id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: [
      'client_secret_post',
      'client_secret_basic',
      'private_key_jwt',
    ],
  })
}

export function answerKeys(_exchange: Exchange, world: World): Answer {
  return jsonAnswer(200, world.tokenKeys.jwks())
}

function issuerOf(role: Exchange['role'], origins: Exchange['origins']): string {
  switch (role.kind) {
    case 'login':
      return origins.login()
    case 'test':
      return origins.test()
    case 'my_domain':
      return origins.myDomain(role.org)
    case 'site':
      return origins.site(role.org)
  }
}
