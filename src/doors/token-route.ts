/** `POST …/services/oauth2/token`: the token endpoint of Salesforce's login host. */
import { allowsSome, onlyReadable, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import { FORM } from '../http/server/form-body.ts'
import { createReplyBatcher } from '../http/server/reply-batcher.ts'
import type { Server } from '../http/server/server.ts'
import type { DoorHandOut } from '../tokens/look/hand-out.ts'
import { longestOf } from '../tokens/look/longest.ts'
import type { IdentifyClient } from '../tokens/oauth/client-identity.ts'
import { addDoor, type DoorRequest, integrationInUrl, readParameters } from './door-scope.ts'
import { integrationToLogInTo, isLoginGrant, LOGIN_GRANTS, readLogin } from './login-request.ts'
import { unsupportedGrant } from './salesforce-error.ts'
import { LoginForm, LoginToken, SalesforceErrorBody } from './schemas.ts'
import { loginAnswer } from './token-answer.ts'

interface TokenDoorDependencies {
  readonly handOut: DoorHandOut
  readonly identify: IdentifyClient
}

const JSON_TYPE = 'application/json;charset=UTF-8'

export function registerTokenDoor(scope: Server, dependencies: TokenDoorDependencies): void {
  const { handOut, identify } = dependencies
  const replyBatcher = createReplyBatcher()

  const logIn = (request: DoorRequest): string | Promise<string> => {
    const form = readParameters(request)
    const { grant_type: grant, scope: asked } = form
    if (!isLoginGrant(grant)) throw unsupportedGrant(LOGIN_GRANTS)
    const login = readLogin(grant, form, request.headers.authorization)
    const serve = (principal: Principal): string | Promise<string> => {
      request.principal = principal
      if (!allowsSome(principal, 'tokens:read')) {
        throw new BrokerError('caller_forbidden', 'The caller has no tokens:read')
      }
      const name = integrationToLogInTo(login, integrationInUrl(request), onlyReadable(principal))
      const longest = longestOf(principal)
      return handOut(
        request,
        name,
        () => identify(request, login.proof),
        (lease, at) => loginAnswer(lease, { asked, longest }, at),
      )
    }
    const found = identify(request, login.proof)
    return found instanceof Promise ? found.then(serve) : serve(found)
  }

  addDoor(scope, {
    method: 'POST',
    path: '/services/oauth2/token',
    operationId: 'logIn',
    schema: {
      summary: 'A token, for a client of Salesforce',
      description:
        'The login URL of the client is `https://VALETKEY/login/NAME`, and an API key stands where the secret of Salesforce stood. Needs `tokens:read`. The same endpoint is at `/services/oauth2/token`: there the caller names the integration, or may read exactly one.',
      security: [{ basic: [] }, {}],
      consumes: [FORM],
      body: LoginForm,
      response: {
        200: LoginToken,
        400: SalesforceErrorBody,
        500: SalesforceErrorBody,
        503: SalesforceErrorBody,
      },
    },
    handle(request, reply) {
      reply.header('content-type', JSON_TYPE)
      const text = logIn(request)
      return text instanceof Promise
        ? text.then((ready) => {
            reply.send(ready)
          })
        : replyBatcher.send(reply, text)
    },
  })
}
