/** `POST …/services/oauth2/token`: the token endpoint of Salesforce's login host. */
import { FORM } from '../http/server/form-body.ts'
import { createReplyBatcher } from '../http/server/reply-batcher.ts'
import type { Server } from '../http/server/server.ts'
import { longestOf } from '../tokens/look/longest.ts'
import { addDoor, type DoorRequest, readParameters } from './door-scope.ts'
import type { LogIn } from './log-in.ts'
import { isLoginGrant, LOGIN_GRANTS, readLogin } from './login-request.ts'
import { unsupportedGrant } from './salesforce-error.ts'
import { LoginForm, LoginToken, SalesforceErrorBody } from './schemas.ts'
import { loginAnswer } from './token-answer.ts'

const JSON_TYPE = 'application/json;charset=UTF-8'

export function registerTokenDoor(scope: Server, logIn: LogIn): void {
  const replyBatcher = createReplyBatcher()

  const answer = (request: DoorRequest): string | Promise<string> => {
    const form = readParameters(request)
    const { grant_type: grant, scope: asked } = form
    if (!isLoginGrant(grant)) throw unsupportedGrant(LOGIN_GRANTS)
    const login = readLogin(grant, form, request.headers.authorization)
    return logIn(request, login, (lease, at) =>
      loginAnswer(lease, { asked, longest: longestOf(request.principal) }, at),
    )
  }

  addDoor(scope, {
    method: 'POST',
    path: '/services/oauth2/token',
    operationId: 'logIn',
    isLogin: true,
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
      const text = answer(request)
      return text instanceof Promise
        ? text.then((ready) => {
            reply.send(ready)
          })
        : replyBatcher.send(reply, text)
    },
  })
}
