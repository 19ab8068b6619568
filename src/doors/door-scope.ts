/** What all doors share: forms, refusals in Salesforce's form, and no secret in a URL. */
import type { TObject } from 'typebox'
import type { Gate } from '../callers/index.ts'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { toBrokerError } from '../http/problems/problem.ts'
import { FORM, takeForms } from '../http/server/form-body.ts'
import type { Server } from '../http/server/server.ts'
import { parseForm, type TokenForm } from '../tokens/oauth/oauth-request.ts'
import { guardUrls } from '../tokens/oauth/url-guard.ts'
import { hasClientId, isLoginGrant, type Login, readLogin } from './login-request.ts'
import { type SalesforceError, salesforceErrorOf } from './salesforce-error.ts'
import { DoorParams } from './schemas.ts'

export type DoorRequest = Parameters<Gate['identifyBearer']>[0]
type DoorReply = Parameters<Parameters<Server['setErrorHandler']>[0]>[2]

export interface DoorScopeDependencies {
  readonly gate: Pick<Gate, 'identifyBearer'>
  /** Called before the answer with every problem. Returns the problem that the caller gets. Must not throw. */
  readonly onProblem: (error: BrokerError, request: DoorRequest) => BrokerError
}

/** One path of Salesforce's login host. */
interface Door {
  readonly method: 'GET' | 'POST'
  /** After `/login/{integration}`, or at the root. */
  readonly path: string
  /** Another path that is answered as this one. */
  readonly also?: string
  readonly operationId: string
  /** Its description names `tokens:read` if it needs that. */
  readonly schema: Parameters<typeof operation>[2]
  /** Default: `/login/{integration}` alone. */
  readonly params?: TObject
  /** It needs a token, and is refused as Salesforce refuses one. Default: it needs a client. */
  readonly isResource?: true
  /** It reads a grant type. Default: no. */
  readonly isLogin?: true
  /** Sends the answer, or returns it. */
  readonly handle: (request: DoorRequest, reply: DoorReply) => unknown
}

/** Registers a door at both places. The description of the API has the first one. */
export function addDoor(scope: Server, door: Door): void {
  const { method, path, also, operationId, schema, handle, params = DoorParams } = door
  const { isResource, isLogin } = door
  const described = operation(operationId, 'front-doors', { ...schema, params }).schema
  const hidden = { ...described, params: undefined, hide: true }
  const prefix = '/login/:integration'
  const places: readonly (readonly [string, typeof described | typeof hidden])[] = [
    [`${prefix}${path}`, described],
    [path, hidden],
    ...(also === undefined
      ? []
      : ([
          [`${prefix}${also}`, hidden],
          [also, hidden],
        ] as const)),
  ]
  for (const [url, { params: placed, ...rest }] of places) {
    scope.route({
      ...{ method, url, schema: placed === undefined ? rest : { ...rest, params: placed } },
      config: { isResource, isLogin },
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
    takeForms(scope, parseForm)
    guardUrls(scope, gate)
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
  const { isResource = false, isLogin = false } = request.routeOptions.config as DoorConfig
  const route = { name, isResource, isLogin }
  try {
    const form = readParameters(request)
    const grant = isLoginGrant(form.grant_type) ? form.grant_type : undefined
    const { authorization } = request.headers
    const meant = grant === undefined ? undefined : meantIn(readLogin(grant, form, authorization))
    return { ...route, grant, meant, hasClientId: hasClientId(form, authorization) }
  } catch {
    return { ...route, grant: undefined, meant: undefined, hasClientId: true }
  }
}

/** The integration that a username names where nothing else names one. */
const meantIn = ({ named, maybeNamed }: Login): string | undefined =>
  named.length === 0 ? maybeNamed : undefined

interface DoorConfig {
  readonly isResource?: boolean
  readonly isLogin?: boolean
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
