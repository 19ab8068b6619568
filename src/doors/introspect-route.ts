/** `POST …/services/oauth2/introspect`: whether a token is a current one, for a caller that may read it (RFC 7662). */
import { onlyReadable, type Principal } from '../callers/policy.ts'
import { Secret } from '../crypto/secret.ts'
import { boundKeyOf } from '../dpop/binding.ts'
import { BrokerError } from '../errors/errors.ts'
import { FORM } from '../http/server/form-body.ts'
import type { Server } from '../http/server/server.ts'
import { longestOf } from '../tokens/look/longest.ts'
import type { IdentifyClient } from '../tokens/oauth/client-identity.ts'
import type { HeldLeases } from '../tokens/serve/held-leases.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import { longIdentityOf } from '../tokens/serve/lease-identity.ts'
import { readDoorClient } from './door-client.ts'
import { addDoor, type DoorRequest, integrationInUrl, readParameters } from './door-scope.ts'
import { IntrospectedToken, IntrospectForm, SalesforceErrorBody } from './schemas.ts'

interface IntrospectDoorDependencies {
  readonly identify: IdentifyClient
  readonly held: Pick<HeldLeases, 'readableBy'>
  readonly now: () => number
}

/** The same for every token that the caller may not read. */
const INACTIVE = { active: false }

export function registerIntrospectDoor(
  scope: Server,
  { identify, held, now }: IntrospectDoorDependencies,
): void {
  const introspect = async (request: DoorRequest) => {
    const form = readParameters(request)
    const { proof, named } = readDoorClient(form, request.headers.authorization)
    const principal = await identify(request, proof)
    request.principal = principal
    const { token } = form
    if (token === undefined) {
      throw new BrokerError('request_invalid', 'The parameter token is missing', {
        remedy: 'Send the access token as token, in the body.',
      })
    }
    const [name = onlyReadable(principal), other] = new Set(
      [integrationInUrl(request), ...named].filter((one) => one !== undefined),
    )
    if (other !== undefined) return INACTIVE
    const lease = await held.readableBy(principal, { token: new Secret(token), name })
    return lease ? described(lease, principal, now()) : INACTIVE
  }

  addDoor(scope, {
    method: 'POST',
    path: '/services/oauth2/introspect',
    operationId: 'introspectToken',
    schema: {
      summary: 'Whether a token is a current one',
      description:
        'RFC 7662, for a caller with `tokens:read` on an integration that holds the token. Every other token is answered with `{"active": false}`. Salesforce is not asked. The same endpoint is at `/services/oauth2/introspect`.',
      security: [{ basic: [] }, { bearer: [] }, {}],
      consumes: [FORM],
      body: IntrospectForm,
      response: {
        200: IntrospectedToken,
        400: SalesforceErrorBody,
        500: SalesforceErrorBody,
        503: SalesforceErrorBody,
      },
    },
    handle: (request) => introspect(request),
  })
}

const described = (lease: Lease, principal: Principal, at: number) => ({
  active: true,
  ...keyIn(lease),
  ...(lease.scope !== undefined && { scope: lease.scope }),
  sub: longIdentityOf(lease).url,
  exp: Math.floor(Math.min(lease.expiresAt, at + longestOf(principal) * 1000) / 1000),
  iat: Math.floor(lease.issuedAt / 1000),
})

function keyIn(lease: Lease) {
  const jkt = boundKeyOf(lease)?.thumbprint
  return jkt === undefined
    ? ({ token_type: 'Bearer' } as const)
    : ({ token_type: 'DPoP', cnf: { jkt } } as const)
}
