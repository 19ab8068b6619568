/** `…/services/oauth2/userinfo` and `/id/{org}/{user}`: whose token it is, from the lease. */
import type { AuditLog } from '../audit/log.ts'
import { onlyReadable } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import { FORM } from '../http/server/form-body.ts'
import type { Server } from '../http/server/server.ts'
import type { IdentifyClient } from '../tokens/oauth/client-identity.ts'
import type { TokenForm } from '../tokens/oauth/oauth-request.ts'
import type { Broker } from '../tokens/serve/broker.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import { longIdentityOf } from '../tokens/serve/lease-identity.ts'
import { bearerIn, readDoorClient } from './door-client.ts'
import { addDoor, type DoorRequest, integrationInUrl, readParameters } from './door-scope.ts'
import { identityAnswer, userinfoAnswer } from './identity-answer.ts'
import { integrationToLogInTo } from './login-request.ts'
import {
  IdentityParams,
  SalesforceErrorBody,
  SalesforceIdentity,
  Userinfo,
  UserinfoForm,
} from './schemas.ts'
import type { ShownTokens } from './shown-tokens.ts'

interface IdentityDoorDependencies {
  readonly identify: IdentifyClient
  readonly shown: Pick<ShownTokens, 'leaseOf'>
  readonly broker: Pick<Broker, 'lease' | 'requireStill'>
  readonly audit: Pick<AuditLog, 'requireWritable'>
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
  { identify, shown, broker, audit }: IdentityDoorDependencies,
): void {
  /** Whoever shows a token has it. */
  const ownLease = async (request: DoorRequest, form: TokenForm): Promise<Lease | undefined> => {
    // RFC 6750, section 2.2, has a place in the body, too.
    const token = bearerIn(request.headers.authorization) ?? form.access_token
    const isToken = token !== undefined && !token.startsWith('vk_')
    return isToken ? shown.leaseOf(request, token) : undefined
  }

  const leaseFor = async (request: DoorRequest): Promise<Lease> => {
    const form = readParameters(request)
    const own = await ownLease(request, form)
    if (own) return own
    const { proof, named } = readDoorClient(form, request.headers.authorization)
    const principal = await identify(request, proof)
    request.principal = principal
    const inUrl = integrationInUrl(request)
    const name = integrationToLogInTo({ proof, named }, inUrl, onlyReadable(principal))
    // It may mint.
    audit.requireWritable()
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

  const userinfo = {
    path: '/services/oauth2/userinfo',
    isResource: true,
    handle: async (request: DoorRequest) => userinfoAnswer(await leaseFor(request)),
  } as const
  const schema = {
    summary: 'Whose token it is',
    description: WHO,
    security: SECURITY,
    response: { 200: Userinfo, ...REFUSALS },
  }
  addDoor(scope, { ...userinfo, method: 'GET', operationId: 'getUserinfo', schema })
  addDoor(scope, {
    ...{ ...userinfo, method: 'POST', operationId: 'postUserinfo' },
    schema: { ...schema, consumes: [FORM], body: UserinfoForm },
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
