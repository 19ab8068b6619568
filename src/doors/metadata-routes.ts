/** The description of the login host for OAuth clients (RFC 8414). */
import { JWT_ALGORITHMS } from '../callers/authentication/jwt.ts'
import { operation } from '../http/openapi/operation.ts'
import type { Server } from '../http/server/server.ts'
import type { DoorRequest } from './door-scope.ts'
import { integrationInUrl } from './door-scope.ts'
import { LOGIN_GRANTS } from './login-request.ts'
import { AuthorizationServer, DoorParams, SalesforceErrorBody } from './schemas.ts'

const WELL_KNOWN = '/.well-known/oauth-authorization-server'

/** RFC 8414 puts the path of the issuer behind; some clients put it before. `publicUrl`: without a slash at its end; undefined: as the request names this service. */
export function registerMetadataDoors(scope: Server, publicUrl: string | undefined): void {
  const described = operation('getAuthorizationServer', 'front-doors', {
    summary: 'The endpoints of a login URL',
    description:
      'RFC 8414, with `https://VALETKEY/login/NAME` as the issuer. It is the same for every name, whether the integration exists or not. `/login/NAME/.well-known/oauth-authorization-server` answers the same, and `/.well-known/oauth-authorization-server` describes the root.',
    security: [],
    params: DoorParams,
    response: {
      200: AuthorizationServer,
      400: SalesforceErrorBody,
      500: SalesforceErrorBody,
    },
  })
  const { params: _, ...others } = described.schema
  const handler = (request: object) => metadataOf(request as DoorRequest, publicUrl)
  const hidden = { ...others, hide: true }
  scope.get(`${WELL_KNOWN}/login/:integration`, described, handler)
  scope.get(`/login/:integration${WELL_KNOWN}`, { schema: hidden }, handler)
  scope.get(WELL_KNOWN, { schema: hidden }, handler)
}

function metadataOf(request: DoorRequest, publicUrl: string | undefined) {
  const origin = publicUrl ?? `${request.protocol}://${request.host}`
  const name = integrationInUrl(request)
  const issuer = name === undefined ? origin : `${origin}/login/${encodeURIComponent(name)}`
  const endpoint = (path: string) => `${issuer}/services/oauth2/${path}`
  const methods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']
  const algorithms = [...JWT_ALGORITHMS]
  return {
    issuer,
    token_endpoint: endpoint('token'),
    token_endpoint_auth_methods_supported: methods,
    // RFC 8414 requires it beside private_key_jwt.
    token_endpoint_auth_signing_alg_values_supported: algorithms,
    grant_types_supported: [...LOGIN_GRANTS],
    response_types_supported: [],
    introspection_endpoint: endpoint('introspect'),
    introspection_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_signing_alg_values_supported: algorithms,
    revocation_endpoint: endpoint('revoke'),
    userinfo_endpoint: endpoint('userinfo'),
  }
}
