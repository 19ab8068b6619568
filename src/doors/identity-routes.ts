/** `…/services/oauth2/userinfo` and `/id/{org}/{user}`: whose token it is, from the lease. */
import { onlyReadable } from '../callers/policy.ts'
import { Secret } from '../crypto/secret.ts'
import { BrokerError } from '../errors/errors.ts'
import type { Server } from '../http/server/server.ts'
import type { IdentifyClient } from '../tokens/oauth/client-identity.ts'
import type { Broker } from '../tokens/serve/broker.ts'
import type { HeldLeases } from '../tokens/serve/held-leases.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import { longIdentityOf } from '../tokens/serve/lease-identity.ts'
import { bearerIn, readDoorClient } from './door-client.ts'
import { addDoor, type DoorRequest, integrationInUrl, readParameters } from './door-scope.ts'
import { identityAnswer, userinfoAnswer } from './identity-answer.ts'
import { integrationToLogInTo } from './login-request.ts'
import { IdentityParams, SalesforceErrorBody, SalesforceIdentity, Userinfo } from './schemas.ts'

interface IdentityDoorDependencies {
  readonly identify: IdentifyClient
  readonly held: Pick<HeldLeases, 'of'>
  readonly broker: Pick<Broker, 'lease' | 'requireStill'>
}

const REFUSALS = {
  400: SalesforceErrorBody,
  403: SalesforceErrorBody,
  404: SalesforceErrorBody,
  500: SalesforceErrorBody,
  503: SalesforceErrorBody,
}
const SECURITY = [{ bearer: [] }, { basic: [] }, {}]
const WHO =
  'The bearer is the access token itself, or a credential of a caller with `tokens:read`. The answer has what the token says: the ids of the org and the user.'

export function registerIdentityDoors(
  scope: Server,
  { identify, held, broker }: IdentityDoorDependencies,
): void {
  /** Whoever shows a token has it. */
  const shown = async (request: DoorRequest): Promise<Lease | undefined> => {
    const token = bearerIn(request.headers.authorization)
    if (token === undefined || token.startsWith('vk_')) return undefined
    return held.of({ token: new Secret(token), name: integrationInUrl(request) })
  }

  const leaseFor = async (request: DoorRequest): Promise<Lease> => {
    const own = await shown(request)
    if (own) return own
    const { proof, named } = readDoorClient(readParameters(request), request.headers.authorization)
    const principal = await identify(request, proof)
    request.principal = principal
    const inUrl = integrationInUrl(request)
    const name = integrationToLogInTo({ proof, named }, inUrl, onlyReadable(principal))
    const { lease } = await broker.lease(name, principal, { requestId: request.id })
    broker.requireStill(name, await identify(request, proof))
    return lease
  }

  const identity = async (request: DoorRequest) => {
    const { org, user } = request.params as { readonly org: string; readonly user: string }
    const lease = await leaseFor(request)
    const asked = longIdentityOf({ orgId: org, userId: user })
    const own = longIdentityOf(lease)
    if (asked.orgId !== own.orgId || asked.userId !== own.userId) {
      throw new BrokerError('not_found', 'The token is of another org or user', {
        remedy: 'Ask for the identity URL that came with the token.',
      })
    }
    return identityAnswer(lease)
  }

  addDoor(scope, {
    ...{ method: 'GET', path: '/services/oauth2/userinfo', operationId: 'getUserinfo' },
    isResource: true,
    schema: {
      summary: 'Whose token it is',
      description: WHO,
      security: SECURITY,
      response: { 200: Userinfo, ...REFUSALS },
    },
    handle: async (request) => userinfoAnswer(await leaseFor(request)),
  })
  addDoor(scope, {
    method: 'GET',
    path: '/id/:org/:user',
    operationId: 'getSalesforceIdentity',
    isResource: true,
    params: IdentityParams,
    schema: {
      summary: 'The identity URL of a token',
      description: WHO,
      security: SECURITY,
      response: { 200: SalesforceIdentity, ...REFUSALS },
    },
    handle: identity,
  })
}
