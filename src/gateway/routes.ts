/** `ANY /gateway/{integration}` and what is below it: the token as a header, for a gateway that asks before it lets a request pass. */
import { METHODS } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { type Gate, requireReader } from '../callers/index.ts'
import { passing } from '../callers/policy.ts'
import type { SeenRequest } from '../callers/request-pattern.ts'
import { isBound } from '../dpop/binding.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems, toBrokerError } from '../http/problems/problem.ts'
import { answer, type Server, type ServerOptions } from '../http/server/server.ts'
import { once } from '../runtime/once.ts'
import type { TokenLook } from '../tokens/look/token-look.ts'
import { MINT_PROBLEMS } from '../tokens/mint/mint-problems.ts'
import type { ProvableRequest } from '../tokens/prove/asked-request.ts'
import type { ProofParts } from '../tokens/prove/compose.ts'
import type { Signed } from '../tokens/prove/proof-signer.ts'
import { NONCE } from '../tokens/prove/schemas.ts'
import type { Broker, Served } from '../tokens/serve/broker.ts'
import { hostOf } from '../tokens/serve/instance-place.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import type { HandOut } from '../tokens/serve/routes.ts'
import { TOKEN_ID, TokenParams } from '../tokens/serve/schemas.ts'
import { provenRequest } from './proven-request.ts'
import { seenRequests } from './seen-requests.ts'

interface GatewayRouteDependencies {
  readonly handOut: HandOut
  readonly broker: Pick<Broker, 'requireStill'>
  readonly tokens: Pick<TokenLook, 'look'>
  readonly proofs: ProofParts
  readonly gate: Pick<Gate, 'identify'>
  /** Called when a caller authenticated on this connection. */
  readonly trust: Parameters<typeof requireReader>[2] & {}
  /** Called before the answer with every problem. Returns the problem that the caller gets. Must not throw. */
  readonly onProblem: NonNullable<ServerOptions['onProblem']>
}

/** The credential of a gateway that cannot replace `Authorization`. */
const CREDENTIAL = 'x-valetkey-authorization'
const REFUSE = 'x-valetkey-refuse'
const REJECTED = 'x-valetkey-rejected'
const NONCE_HEADER = 'x-valetkey-dpop-nonce'

/** The only status but 401 and 200 that every gateway hands on. */
const FORBIDDEN = 403

const GatewayHeaders = Type.Object({
  [CREDENTIAL]: Type.Optional(
    Type.String({
      description:
        '`Bearer` and the credential, for a gateway that cannot replace `Authorization`. Ignored if `Authorization` has a bearer credential',
    }),
  ),
  [REFUSE]: Type.Optional(
    Type.String({
      description: '`403`: every refusal but 401 has the status 403, the same body and headers',
    }),
  ),
  [REJECTED]: Type.Optional(
    Type.String({
      pattern: `^(${TOKEN_ID.pattern.slice(1, -1)})?$`,
      $comment: `${TOKEN_ID.$comment}, or empty`,
      description:
        'The `X-Valetkey-Token-Id` of the token that Salesforce answered with 401: another token is wanted',
    }),
  ),
  [NONCE_HEADER]: Type.Optional(
    Type.String({
      pattern: `^(${NONCE.pattern.slice(1, -1)})?$`,
      $comment: `${NONCE.$comment}, or empty`,
      description:
        'Experimental. The `DPoP-Nonce` of an answer of Salesforce with status 400 or 401, for the proof of the next try',
    }),
  ),
})

const text = { type: 'string' } as const

const Passed = Type.Unsafe<null>({
  type: 'null',
  description: 'The token, for the request that passes. There is no body',
  headers: {
    Authorization: {
      ...text,
      description: '`Bearer` or `DPoP`, and the token: replace the one of the client',
    },
    DPoP: {
      ...text,
      description:
        'Experimental. Present if the token is bound: the proof for the request that the sub-request names',
    },
    'X-Salesforce-Instance-Url': { ...text, description: 'Where the token is good' },
    'X-Salesforce-Instance-Host': { ...text, description: 'The host, and the port, of that URL' },
    'X-Valetkey-Token-Id': { ...text, description: 'Public fingerprint of the token' },
  },
})

/** Registered outside the guard, because the caller may be named by another header, and no method changes anything. */
export async function registerGatewayRoutes(
  server: Server,
  dependencies: GatewayRouteDependencies,
): Promise<void> {
  const { handOut, broker, tokens, proofs, gate, trust, onProblem } = dependencies
  const { permission, signer } = proofs
  await server.register(async (plain) => {
    const scope = plain as Server
    requireReader(scope, gate, trust, CREDENTIAL)
    ignoreBodies(scope)
    scope.setErrorHandler((thrown, request, reply) => {
      const problem = onProblem(toBrokerError(thrown), request)
      const { code, status } = problem
      reply.header('x-valetkey-code', code).header('x-valetkey-status', String(status))
      const isForbidden = request.headers[REFUSE] === String(FORBIDDEN) && status !== 401
      return answer(problem, request, reply, isForbidden ? FORBIDDEN : status)
    })

    const described = operation('passGateway', 'tokens', {
      summary: 'The token as a header, for a gateway that puts it on requests',
      description:
        'Needs `tokens:read`. For the sub-request of nginx `auth_request`, Caddy `forward_auth`, Traefik ForwardAuth, Envoy `ext_authz` and others: every method is answered, and what follows the name in the path, the query and the body are ignored. Each refusal has the headers `X-Valetkey-Code` and `X-Valetkey-Status`.',
      'x-any-method': true,
      'x-any-path-below': true,
      'x-refuses-as': FORBIDDEN,
      params: TokenParams,
      headers: GatewayHeaders,
      response: {
        200: Passed,
        ...problems(...MINT_PROBLEMS, 'token_still_live', 'token_bound', 'request_not_allowed'),
      },
    })
    const hidden = { schema: { ...described.schema, hide: true } }
    const pass = (request: GatewayRequest, reply: FastifyReply) => {
      const { id, principal } = request
      // Only limits to requests and proofs need it.
      const seen = once(() => seenIn(request))
      request.principal = passing(principal, seen)
      const { [REJECTED]: rejected = '', [NONCE_HEADER]: nonce = '' } = request.headers
      const { integration } = request.params
      // A gateway sends both after a 401, and cannot tell which of the two Salesforce missed.
      const isDoubtful =
        nonce !== '' && signer.explainsRefusal({ principal: principal.id, integration }, nonce)
      let given = nonce === '' ? undefined : nonce
      const isDead = async (lease: Lease) => {
        if (!isBound(lease)) return true
        signer.take(principal, lease, nonce)
        // The look may learn a newer one.
        given = undefined
        return (await tokens.look(lease)) !== 'live'
      }
      const replaced = { rejected, ...(isDoubtful && { isDead }) }
      const wanted = { integration, ...(rejected !== '' && replaced) }
      let proven: ProvableRequest | undefined
      const admit = ({ lease }: Served) => {
        proven = isBound(lease)
          ? provenRequest(principal, lease, seen(), { broker, permission })
          : undefined
      }
      const write: Parameters<HandOut>[3] = (reply, { lease }, _at, still) => {
        if (proven === undefined) return writeHeaders(reply, lease, 'Bearer')
        const isReplaced = rejected !== '' && lease.tokenId !== rejected
        // The login of the other token brought a newer nonce.
        const fresh = isReplaced ? undefined : given
        const respond = ({ proofs, written }: Signed) => {
          const fill = () => {
            reply.header('dpop', proofs[0])
            return writeHeaders(reply, lease, 'DPoP')
          }
          return written ? written.then(fill) : fill()
        }
        const signed = signer.sign({ id, principal }, lease, [proven], fresh, still)
        return signed instanceof Promise ? signed.then(respond) : respond(signed)
      }
      return handOut(request, reply, wanted, write, admit)
    }
    scope.get('/gateway/:integration', described, pass)
    takeEveryMethod(scope)
    const others = scope.supportedMethods.filter((method) => !['GET', 'HEAD'].includes(method))
    scope.route({ method: others, url: '/gateway/:integration', ...hidden, handler: pass })
  })
}

type GatewayRequest = FastifyRequest<{
  Params: { integration: string }
  Headers: { [REJECTED]?: string; [NONCE_HEADER]?: string }
}>

/** A caller that waited is authenticated again, for the same request. */
export const identifyBy =
  (gate: Pick<Gate, 'identify'>): Gate['identify'] =>
  async (request) =>
    passing(await gate.identify(request, CREDENTIAL), () => seenIn(request))

const seenIn = ({ method, originalUrl, raw }: FastifyRequest): readonly SeenRequest[] =>
  seenRequests({ method, target: originalUrl, headers: raw.headers, rawHeaders: raw.rawHeaders })

/** There is no body. */
function writeHeaders(reply: FastifyReply, lease: Lease, scheme: 'Bearer' | 'DPoP'): undefined {
  reply
    .header('authorization', `${scheme} ${lease.accessToken.reveal()}`)
    .header('x-salesforce-instance-url', lease.instanceUrl)
    .header('x-salesforce-instance-host', hostOf(lease))
    .header('x-valetkey-token-id', lease.tokenId)
}

/** Fastify knows some methods, and demands a content type of QUERY, which has no meaning here. */
function takeEveryMethod(scope: Server): void {
  for (const method of METHODS) {
    const isTaken = scope.supportedMethods.includes(method) && method !== 'QUERY'
    if (!isTaken) scope.addHttpMethod(method, { overrideExisting: true })
  }
}

/** A gateway may copy the headers of its client with or without the body, so neither is looked at. */
function ignoreBodies(scope: Server): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request, body, done) => {
    body.resume()
    done(null)
  })
  scope.addHook('onRequest', ({ raw: { headers } }, _reply, done) => {
    delete headers['content-type']
    done()
  })
}
