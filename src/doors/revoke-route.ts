/** `…/services/oauth2/revoke`: clients revoke at each stop, start or exchange. Nothing is revoked. */
import { FORM } from '../http/server/form-body.ts'
import type { Server } from '../http/server/server.ts'
import type { IdentifyClient } from '../tokens/oauth/client-identity.ts'
import { bearerIn, hasCredential, readDoorClient } from './door-client.ts'
import { addDoor, type DoorRequest, readParameters } from './door-scope.ts'
import type { IgnoreRevocation } from './ignored-revocations.ts'
import { NotRevoked, RevocationQuery, RevokeForm, SalesforceErrorBody } from './schemas.ts'

interface RevokeDoorDependencies {
  readonly identify: IdentifyClient
  readonly ignoreRevocation: IgnoreRevocation
}

export function registerRevokeDoor(
  scope: Server,
  { identify, ignoreRevocation }: RevokeDoorDependencies,
): void {
  const ignore = async (request: DoorRequest, operation: string): Promise<void> => {
    const form = readParameters(request)
    const { authorization } = request.headers
    // Many clients send the token alone, and some also as the bearer of all their requests.
    const isOwn = form.token !== undefined && bearerIn(authorization) === form.token
    if (!isOwn && hasCredential(form, authorization)) {
      request.principal = await identify(request, readDoorClient(form, authorization).proof)
    }
    await ignoreRevocation(request, operation, form.token)
  }

  const schema = {
    summary: 'Revokes nothing, and says that it is done',
    description:
      'Salesforce clients revoke their token when they stop. Every other service holds the same token, so it is not revoked; the audit has `revoke_ignored`. A client needs no credential; a wrong one is refused. `DELETE /tokens/{integration}` revokes a token.',
    security: [{ basic: [] }, {}],
    response: {
      200: NotRevoked,
      400: SalesforceErrorBody,
      500: SalesforceErrorBody,
      503: SalesforceErrorBody,
    },
  }
  const path = '/services/oauth2/revoke'
  addDoor(scope, {
    ...{ method: 'POST', path, operationId: 'ignoreRevocation' },
    schema: { ...schema, consumes: [FORM], body: RevokeForm },
    async handle(request, reply) {
      await ignore(request, 'ignoreRevocation')
      reply.send()
    },
  })
  addDoor(scope, {
    ...{ method: 'GET', path, operationId: 'ignoreRevocationByUrl' },
    schema: { ...schema, querystring: RevocationQuery },
    async handle(request, reply) {
      await ignore(request, 'ignoreRevocationByUrl')
      reply.send()
    },
  })
}
