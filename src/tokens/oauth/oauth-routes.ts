/** `POST /oauth/token`: the same tokens, for any OAuth client library (RFC 6749, section 4.4). */
import { Type } from 'typebox'
import type { Gate } from '../../callers/index.ts'
import { allowsSome, type Principal } from '../../callers/policy.ts'
import { BrokerError } from '../../errors/errors.ts'
import { documented } from '../../http/openapi/documented.ts'
import { operation } from '../../http/openapi/operation.ts'
import { toBrokerError } from '../../http/problems/problem.ts'
import { FORM, takeForms } from '../../http/server/form-body.ts'
import { createReplyBatcher } from '../../http/server/reply-batcher.ts'
import type { Server } from '../../http/server/server.ts'
import type { DoorHandOut } from '../look/hand-out.ts'
import { longestOf } from '../look/longest.ts'
import type { Lease } from '../serve/lease.ts'
import { TOKEN_ID } from '../serve/schemas.ts'
import { createClientIdentity } from './client-identity.ts'
import { refuseMistakes, refuseQuery } from './meant-parameter.ts'
import { oauthAnswer } from './oauth-answer.ts'
import { OAUTH_ERRORS, type OAuthError, type OAuthErrorCode, oauthErrorOf } from './oauth-error.ts'
import { clientCredentialsOf, integrationIn, parseForm, SCOPE } from './oauth-request.ts'
import { guardUrls } from './url-guard.ts'

type Request = Parameters<Gate['identifyBearer']>[0]
type Reply = Parameters<ReturnType<typeof createReplyBatcher>['send']>[0]

interface OAuthRouteDependencies {
  readonly handOut: DoorHandOut
  readonly gate: Pick<Gate, 'identifyBearer'>
  /** Called before the answer with every problem. Returns the problem that the caller gets. Must not throw. */
  readonly onProblem: (error: BrokerError, request: Request) => BrokerError
}

const TokenRequest = Type.Object(
  {
    grant_type: Type.Optional(
      Type.String({
        description: '`client_credentials`',
        ...documented({ const: 'client_credentials' }),
      }),
    ),
    scope: Type.Optional(
      Type.String({
        description: '`integration:NAME`, exactly one',
        ...documented({ pattern: SCOPE.source, $comment: 'integration:NAME' }),
      }),
    ),
    client_id: Type.Optional(
      Type.String({ description: 'Id of the API key, where it is not in `Authorization`' }),
    ),
    client_secret: Type.Optional(Type.String({ description: 'The API key itself' })),
    rejected: Type.Optional(
      Type.String({
        description:
          'The `token_id` that Salesforce answered with 401: another token is wanted. One mint runs, however many ask.',
        ...documented(TOKEN_ID),
      }),
    ),
  },
  {
    additionalProperties: true,
    ...documented({
      required: ['grant_type', 'scope'],
      // Each parameter may occur once (RFC 6749, section 3.2). Unknown parameters are ignored, unless they look like a mistake.
      additionalProperties: { type: 'string' },
      dependentRequired: { client_secret: ['client_id'] },
    }),
  },
)

const OAuthToken = Type.Object(
  {
    access_token: Type.String(),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Seconds left' }),
    scope: Type.String({ description: 'As it was asked for' }),
    instance_url: Type.String({ description: 'Where this token is good: send API calls here' }),
    token_id: Type.String({ description: 'Public fingerprint of the token, which may be logged' }),
    id: Type.String({ description: 'The identity URL, with ids of 18 characters' }),
    issued_at: Type.String({ description: 'Milliseconds since 1970' }),
  },
  { title: 'OAuth token', description: 'The token, and where it is good' },
)

const OAuthErrorBody = Type.Object(
  {
    error: Type.Unsafe<OAuthErrorCode>({ type: 'string', enum: [...OAUTH_ERRORS] }),
    error_description: Type.String({
      description: 'The code of the problem, what is wrong, and what to do about it',
      examples: [
        'integration_disabled: The integration is disabled. Enable it, or use another one.',
      ],
    }),
    error_uri: Type.String({
      format: 'uri-reference',
      description: 'The page about this problem',
      examples: ['/problems/integration_disabled'],
    }),
  },
  { title: 'OAuth error', description: 'RFC 6749, section 5.2' },
)

/** Registered outside the guard, because its requests and answers follow OAuth. */
export async function registerOAuthRoutes(
  server: Server,
  dependencies: OAuthRouteDependencies,
): Promise<void> {
  const { handOut, gate, onProblem } = dependencies

  const identify = createClientIdentity(gate)
  const replyBatcher = createReplyBatcher()

  await server.register(async (plain) => {
    const scope = plain as Server
    takeForms(scope, parseForm)
    guardUrls(scope, gate)
    scope.setErrorHandler((thrown, request, reply) => {
      const problem = toBrokerError(thrown, [FORM])
      const told = onProblem(problem, request)
      const { scope: asked } = (request.body ?? {}) as { readonly scope?: string }
      const error = answerable(oauthErrorOf(told, integrationIn(asked)), request)
      if (error.status >= 500) {
        request.log.warn({ err: problem, code: problem.code }, 'request failed')
      }
      return reply.code(error.status).headers(headersOf(error)).send(bodyOf(error))
    })
    scope.post(
      '/oauth/token',
      operation('postOAuthToken', 'tokens', {
        summary: 'A Salesforce access token, for OAuth client libraries',
        description:
          'RFC 6749, section 4.4: the client id is the id of an API key, the client secret the key. Needs `tokens:read`.',
        security: [{ basic: [] }, {}],
        consumes: [FORM],
        body: TokenRequest,
        response: {
          200: OAuthToken,
          400: OAuthErrorBody,
          401: OAuthErrorBody,
          429: OAuthErrorBody,
          500: OAuthErrorBody,
          503: OAuthErrorBody,
        },
      }),
      (request, reply) => {
        refuseQuery(request.raw.url)
        refuseMistakes(Object.keys(request.body))
        const client = clientCredentialsOf(request.headers.authorization, textsOf(request.body))
        const proof = client && ({ kind: 'secret', ...client } as const)
        const refuse = (error: OAuthErrorCode, problem: BrokerError): undefined => {
          reply.code(400).send(bodyOf({ ...oauthErrorOf(problem), error }))
        }

        /** Undefined: it is refused. */
        const serve = (principal: Principal): string | undefined | Promise<string> => {
          request.principal = principal
          const { grant_type, scope: asked, rejected } = request.body
          if (grant_type === undefined) {
            return refuse('invalid_request', wrongParameter('grant_type is missing', GRANT_REMEDY))
          }
          if (grant_type !== 'client_credentials') {
            const what = 'Only client_credentials is supported'
            return refuse('unsupported_grant_type', wrongParameter(what, GRANT_REMEDY))
          }
          const name = integrationIn(asked)
          if (name === undefined) {
            const what = 'The scope must be integration:NAME, exactly one'
            return refuse('invalid_scope', wrongParameter(what, SCOPE_REMEDY))
          }
          if (rejected !== undefined && !REJECTED.test(rejected)) {
            const what = `The parameter rejected must be ${TOKEN_ID.$comment}`
            return refuse('invalid_request', wrongParameter(what, REJECTED_REMEDY))
          }
          if (!allowsSome(principal, 'tokens:read')) {
            const what = 'The API key has no tokens:read'
            return refuse('unauthorized_client', new BrokerError('caller_forbidden', what))
          }
          const again = () => identify(request, proof)
          const longest = longestOf(principal)
          const answer = (lease: Lease, at: number) => oauthAnswer(lease, longest, at)
          reply.header('content-type', JSON_TYPE)
          return handOut(request, name, again, answer, { rejected })
        }
        const finish = (text: string | undefined) => {
          if (text !== undefined) sendText(reply, text)
        }
        // Not async: promises would slow a hit.
        const found = identify(request, proof)
        if (found instanceof Promise) return found.then(serve).then(finish)
        const text = serve(found)
        if (text instanceof Promise) return text.then(finish)
        return text === undefined ? undefined : replyBatcher.send(reply, text)
      },
    )
  })
}

const sendText = (reply: Reply, text: string): void => void reply.send(text)

const textsOf = ({
  client_id,
  client_secret,
}: {
  readonly client_id?: string
  readonly client_secret?: string
}) => ({
  ...(client_id !== undefined && { client_id }),
  ...(client_secret !== undefined && { client_secret }),
})

const JSON_TYPE = 'application/json; charset=utf-8'

const GRANT_REMEDY = 'Send grant_type=client_credentials.'
const SCOPE_REMEDY = 'Send scope=integration:NAME with the name of the integration.'
const REJECTED_REMEDY =
  'Send the token_id of the answer that brought the token, or omit the parameter.'

const REJECTED = new RegExp(TOKEN_ID.pattern)

/** The challenge is for a client that used `Authorization` (RFC 6749, section 5.2). Some libraries show it in place of the description. */
const answerable = (error: OAuthError, { headers, body }: Pick<Request, 'headers' | 'body'>) => {
  const isInBody = headers.authorization === undefined && hasSecret(body)
  return error.status === 401 && isInBody ? { ...error, status: 400 as const } : error
}

const hasSecret = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && 'client_secret' in body

const wrongParameter = (what: string, remedy: string) =>
  new BrokerError('request_invalid', what, { remedy })

const bodyOf = ({ error, description, uri }: OAuthError) => ({
  error,
  error_description: description,
  error_uri: uri,
})

const headersOf = ({ status, retryAfterSeconds }: OAuthError): Record<string, string> => ({
  ...(status === 401 && { 'www-authenticate': 'Basic realm="valetkey", charset="UTF-8"' }),
  ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
})
