/** What all doors share: forms, refusals in Salesforce's form, and no secret in a URL. */
import { idOfApiKey } from '../callers/api-key.ts'
import type { Gate } from '../callers/index.ts'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { toBrokerError } from '../http/problems/problem.ts'
import { FORM, takeForms } from '../http/server/form-body.ts'
import { countHeader } from '../http/server/raw-headers.ts'
import type { Server } from '../http/server/server.ts'
import { parseForm, type TokenForm } from '../tokens/oauth/oauth-request.ts'
import { hasClientId, isLoginGrant } from './login-request.ts'
import { type SalesforceError, salesforceErrorOf } from './salesforce-error.ts'
import { DoorParams, type IdentityParams } from './schemas.ts'
import { secretInQuery } from './secret-in-url.ts'

export type DoorRequest = Parameters<Gate['identifyBearer']>[0]
type DoorReply = Parameters<Parameters<Server['setErrorHandler']>[0]>[2]

export interface DoorScopeDependencies {
  readonly gate: Pick<Gate, 'identifyBearer'>
  /** Called before the answer with every problem. Returns the problem that the caller gets. Must not throw. */
  readonly onProblem: (error: BrokerError, request: DoorRequest) => BrokerError
}

const REVOKE = /\/revoke\/?(?:\?|$)/

/** One path of Salesforce's login host. */
interface Door {
  readonly method: 'GET' | 'POST'
  /** After `/login/{integration}`, or at the root. */
  readonly path: string
  readonly operationId: string
  /** Its description names `tokens:read` if it needs that. */
  readonly schema: Parameters<typeof operation>[2]
  /** Default: `/login/{integration}` alone. */
  readonly params?: typeof IdentityParams
  /** It needs a token, and is refused as Salesforce refuses one. Default: it needs a client. */
  readonly isResource?: true
  /** Sends the answer, or returns it. */
  readonly handle: (request: DoorRequest, reply: DoorReply) => unknown
}

/** Registers a door at both places. The description of the API has the first one. */
export function addDoor(scope: Server, door: Door): void {
  const { method, path, operationId, schema, handle, params = DoorParams, isResource } = door
  const described = operation(operationId, 'front-doors', { ...schema, params })
  const places = [
    [`/login/:integration${path}`, described.schema],
    [path, { ...described.schema, params: undefined, hide: true }],
  ] as const
  for (const [url, { params: placed, ...rest }] of places) {
    scope.route({
      ...{ method, url, schema: placed === undefined ? rest : { ...rest, params: placed } },
      config: { isResource },
      preValidation: withForm,
      handler: (request, reply) => handle(request as DoorRequest, reply as DoorReply),
    })
  }
}

/** A request may have all its parameters elsewhere. */
const withForm = (request: { body: unknown }, _reply: unknown, done: () => void) => {
  request.body ??= {}
  done()
}

/** Registers the doors of `register`. */
export async function registerDoors(
  server: Server,
  { gate, onProblem }: DoorScopeDependencies,
  register: (scope: Server) => void,
): Promise<void> {
  await server.register(async (plain) => {
    const scope = plain as Server
    scope.decorateRequest('principal')
    takeForms(scope, parseForm)
    scope.addHook('onRequest', (request, reply, done) => {
      reply.header('cache-control', 'no-store').header('pragma', 'no-cache')
      if (countHeader(request.raw.rawHeaders, 'authorization') > 1) {
        throw new BrokerError('request_invalid', 'Authorization is present more than once')
      }
      const { url = '' } = request.raw
      const secret = secretInQuery(url, REVOKE.test(url))
      if (secret === undefined) {
        done()
        return
      }
      ownerOf(secret, gate, request).then((principal) => {
        if (principal) request.principal = principal
        done(new BrokerError('secret_in_url', 'The query of the URL has a secret'))
      }, done)
    })
    scope.setErrorHandler((thrown, request, reply) => {
      const problem = toBrokerError(thrown, [FORM])
      const told = onProblem(problem, request)
      const error = salesforceErrorOf(told, askedIn(request))
      if (error.status >= 500) {
        request.log.warn({ err: problem, code: problem.code }, 'request failed')
      }
      return sendError(reply, error)
    })
    register(scope)
  })
}

/** The owner of an exposed key, for the audit. Undefined: it is no valid key. */
async function ownerOf(secret: string, gate: DoorScopeDependencies['gate'], request: DoorRequest) {
  const key = secret.slice(0, KEY_LENGTH)
  if (idOfApiKey(key) === undefined) return undefined
  try {
    return await gate.identifyBearer(request, key)
  } catch {
    // The request is refused in any case.
    return undefined
  }
}

const KEY_LENGTH = 61

/** The parameters in the query and in the body. Throws `request_invalid` if one is present twice. */
export function readParameters(request: Pick<DoorRequest, 'body' | 'raw'>): TokenForm {
  const body = (request.body ?? NONE) as TokenForm
  const { url = '' } = request.raw
  const start = url.indexOf('?')
  if (start === -1) return body
  const query = parseForm(url.slice(start + 1))
  if (Object.keys(query).some((name) => body[name] !== undefined)) {
    throw new BrokerError('request_invalid', 'A parameter is present more than once')
  }
  return { ...body, ...query }
}

const NONE: TokenForm = {}

/** What an error says of the request. Its parameters may be unreadable. */
function askedIn(request: DoorRequest): Parameters<typeof salesforceErrorOf>[1] {
  const name = integrationInUrl(request)
  const { isResource = false } = request.routeOptions.config as { readonly isResource?: boolean }
  try {
    const form = readParameters(request)
    const grant = isLoginGrant(form.grant_type) ? form.grant_type : undefined
    const isClient = hasClientId(form, request.headers.authorization)
    return { grant, name, hasClientId: isClient, isResource }
  } catch {
    return { grant: undefined, name, hasClientId: true, isResource }
  }
}

/** The integration after `/login/`. Undefined: the request came to the root. */
export const integrationInUrl = ({ params }: Pick<DoorRequest, 'params'>): string | undefined =>
  ((params ?? {}) as { readonly integration?: string }).integration

function sendError(
  reply: DoorReply,
  { status, error, description, retryAfterSeconds }: SalesforceError,
) {
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds))
  return reply.code(status).send({ error, error_description: description })
}
