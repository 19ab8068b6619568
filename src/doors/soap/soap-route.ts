/** `POST …/services/Soap/u/{version}` and `…/c/{version}`: `login()` of the Partner and the Enterprise API. */
import { Type } from 'typebox'
import { documented } from '../../http/openapi/documented.ts'
import { createReplyBatcher } from '../../http/server/reply-batcher.ts'
import type { Server } from '../../http/server/server.ts'
import { longestOf } from '../../tokens/look/longest.ts'
import type { Lease } from '../../tokens/serve/lease.ts'
import { secondsLeft } from '../../tokens/serve/token-view.ts'
import { addDoor, type DoorRequest } from '../door-scope.ts'
import type { IgnoreRevocation } from '../ignored-revocations.ts'
import type { LogIn } from '../log-in.ts'
import { readLogin } from '../login-request.ts'
import { DoorParams } from '../schemas.ts'
import { unsupportedOperation, unsupportedVersion } from './fault.ts'
import { loginResponse, logoutResponse } from './login-response.ts'
import {
  JWT_SINCE,
  majorOf,
  SOAP_API_KINDS,
  type SoapApi,
  soapApiIn,
  VERSION,
} from './soap-address.ts'
import { readSoapRequest, type SoapRequest } from './soap-request.ts'
import type { UserInfo } from './user-info.ts'
import type { UserInfoSource } from './user-info-source.ts'

interface SoapDoorDependencies {
  readonly logIn: LogIn
  readonly ignoreRevocation: IgnoreRevocation
  readonly userInfo: UserInfoSource
  readonly now: () => number
}

export const SOAP_MEDIA_TYPE = 'text/xml'
export const SOAP_CONTENT_TYPE = `${SOAP_MEDIA_TYPE};charset=UTF-8`
const OPERATION_ID = 'logInBySoap'
const JWT = /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/

const soapText = (description: string) =>
  Type.Unsafe<string>({
    description,
    content: { [SOAP_MEDIA_TYPE]: { schema: { type: 'string' } } },
  })

export function registerSoapDoor(scope: Server, dependencies: SoapDoorDependencies): void {
  const { logIn, ignoreRevocation, userInfo, now } = dependencies
  const replyBatcher = createReplyBatcher()

  /** Not async: promises would slow a hit. */
  const answer = (request: DoorRequest, api: SoapApi, lease: Lease): string | Promise<string> => {
    const longest = longestOf(request.principal)
    const write = (info: UserInfo) =>
      loginResponse(lease, api, info, Math.min(secondsLeft(lease, now()), longest))
    const info = userInfo(lease, api)
    return info instanceof Promise ? info.then(write) : write(info)
  }

  const serve = (request: DoorRequest, api: SoapApi, { form }: SoapRequest) => {
    const login = readLogin('password', form, undefined)
    const check = (lease: Lease) => requireSoap(lease, api)
    const found = logIn(request, login, (lease) => lease, check)
    return found instanceof Promise
      ? found.then((lease) => answer(request, api, lease))
      : answer(request, api, found)
  }

  const call = (request: DoorRequest): string | Promise<string> => {
    const api = requireApi(request)
    const asked = requestIn(request.body)
    if (asked.operation === 'login') return serve(request, api, asked)
    if (asked.operation === 'logout') {
      return ignoreRevocation(request, OPERATION_ID, asked.sessionId).then(() =>
        logoutResponse(api),
      )
    }
    throw unsupportedOperation(
      'This is the login host, which knows login and logout only',
      'Send other calls to the serverUrl that the answer of login has.',
    )
  }

  addDoor(scope, {
    method: 'POST',
    path: '/services/Soap/:kind/:version',
    params: SoapParams,
    also: '/services/Soap/:kind/:version/:rest',
    operationId: OPERATION_ID,
    schema: {
      summary: 'A session, for a client of the SOAP API',
      description:
        'login() of the Partner API (`u`) and the Enterprise API (`c`), SOAP 1.1. The username is the name of the integration, or `NAME@anything`; the password is an API key, and up to 40 more characters are ignored. Needs `tokens:read`. `logout` is answered, ends nothing, and is audited as `revoke_ignored`. Other operations are answered with a fault. The same endpoint is at `/services/Soap/…`.',
      security: [{}],
      consumes: [SOAP_MEDIA_TYPE],
      body: Type.Unsafe<string>({ ...documented({ type: 'string' }) }),
      response: {
        200: soapText('`loginResponse`: the token as `sessionId`, and the `serverUrl`'),
        500: soapText('A fault'),
      },
    },
    handle(request, reply) {
      reply.header('content-type', SOAP_CONTENT_TYPE)
      const text = call(request)
      return text instanceof Promise
        ? text.then((ready) => {
            reply.send(ready)
          })
        : replyBatcher.send(reply, text)
    },
  })
}

const SoapParams = Type.Object({
  ...DoorParams.properties,
  kind: Type.String({
    description: '`u`: Partner API, `c`: Enterprise API',
    ...documented({ enum: [...SOAP_API_KINDS] }),
  }),
  version: Type.String({
    description: 'Such as `60.0`, or `v60.0`',
    ...documented({ pattern: VERSION.source, $comment: 'a version such as 60.0' }),
  }),
})

/** A request without a body is none. */
const requestIn = (body: unknown): SoapRequest =>
  typeof body === 'object' && body !== null && 'operation' in body
    ? (body as SoapRequest)
    : readSoapRequest('')

function requireApi(request: DoorRequest): SoapApi {
  const api = soapApiOf(request)
  if (api !== undefined) return api
  throw unsupportedVersion(
    'The URL names no version of the Partner API or the Enterprise API',
    'Log in at /services/Soap/u/60.0, or at another version of it.',
  )
}

/** Undefined: the URL names none. */
export function soapApiOf({ params }: Pick<DoorRequest, 'params'>): SoapApi | undefined {
  const {
    kind = '',
    version = '',
    rest,
  } = (params ?? {}) as Readonly<Record<string, string | undefined>>
  return soapApiIn(kind, version, rest)
}

/** Throws where Salesforce would answer each call as if the session was over. */
function requireSoap({ accessToken }: Lease, api: SoapApi): void {
  if (majorOf(api) >= JWT_SINCE || !JWT.test(accessToken.reveal())) return
  throw unsupportedVersion(
    `A token in the form of a JWT does not work with SOAP below API version ${JWT_SINCE}.0`,
    `At Salesforce, turn off 'Issue JSON Web Token (JWT)-based access tokens for named users' in the security settings of the app, and revoke the token with DELETE /tokens/{name}. Or use API version ${JWT_SINCE}.0.`,
  )
}
