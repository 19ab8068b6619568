/** The HTTP server: limits, validation, request ids, and problems for every error. */
import { randomUUID } from 'node:crypto'
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  LogController,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify'
import { BrokerError } from '../../errors/errors.ts'
import { logFailure } from '../problems/failure-log.ts'
import { problemAnswer, toBrokerError } from '../problems/problem.ts'
import { createClientErrors } from './client-errors.ts'
import { limitConnections } from './connection-limit.ts'
import type { Drain } from './drain.ts'
import {
  createPipelines,
  PIPELINE_LIMITS,
  type PipelineLimits,
  type Pipelines,
} from './pipeline.ts'
import { countHeader } from './raw-headers.ts'
import { requestLog } from './request-log.ts'
import { routedTarget } from './routed-target.ts'
import type { ServerTls } from './tls.ts'
import { createValidators } from './validation.ts'

type ValidatorFactory = NonNullable<
  NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']
>['buildValidator'] &
  object

export type Server = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

export interface ServerOptions {
  readonly logger: FastifyBaseLogger
  /** CIDRs whose `X-Forwarded-For` is trusted. Default: none. */
  readonly trustProxy: readonly string[]
  /** Absent: plain HTTP. */
  readonly tls?: Pick<ServerTls, 'options'> | undefined
  readonly limits?: Partial<ServerLimits>
  /** Default: created with the limits. */
  readonly pipelines?: Pipelines
  /** Absent: connections are closed with the server. */
  readonly drain?: Drain
  /** Called before the answer with every problem of a request. Returns the problem that the caller gets. Must not throw. */
  readonly onProblem?: (error: BrokerError, request: FastifyRequest) => BrokerError
}

/** Time limits for clients, and how many connections an address may have. */
export interface ServerLimits extends PipelineLimits {
  /** For the header section, in milliseconds. Default: 8000. */
  readonly headersMs: number
  /** For the whole request, in milliseconds. Default: 10000. */
  readonly requestMs: number
  /** Most open connections of one address, except for trusted proxies. 0: no limit. Default: 0. */
  readonly connectionsPerAddress: number
}

const LIMITS: ServerLimits = {
  ...PIPELINE_LIMITS,
  headersMs: 8_000,
  requestMs: 10_000,
  connectionsPerAddress: 0,
}

/** In bytes. */
const BODY_LIMIT = 64 * 1024
/** Longer URLs get 414. Node itself limits header sections to 16 KiB. */
const URL_LIMIT = 8 * 1024
const HEADERS_MAX = 64
/** Per connection. */
const REQUESTS_MAX = 10_000
/** Closes a connection without traffic, during a request or between requests. */
const IDLE_MS = 30_000
const KEEP_ALIVE_MS = 75_000
/** Log levels at which each answer has a line. */
const CHATTY = ['trace', 'debug']
const SAFE_REQUEST_ID = /^[\w.:/+=@-]{1,128}$/

export function createServer(options: ServerOptions): Server {
  const { logger, trustProxy, tls, limits = {}, drain, onProblem } = options
  const allLimits = { ...LIMITS, ...limits }
  const { connectionsPerAddress: perAddress } = allLimits
  const pipelines = options.pipelines ?? createPipelines(allLimits)
  const clientErrors = createClientErrors(logger, pipelines)
  const server: Server = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: trustProxy.length > 0 ? [...trustProxy] : false,
    bodyLimit: BODY_LIMIT,
    serverFactory: (handler) => {
      const made = nodeServer(pipelines.before(handler as RequestListener), tls, allLimits)
      if (perAddress > 0) {
        limitConnections(made, { perAddress, except: trustProxy, log: logger })
      }
      pipelines.attach(made, tls ? 'secureConnection' : 'connection')
      clientErrors.attach(made)
      drain?.attach(made, pipelines.endAfter)
      return made
    },
    // Requests on open connections are served while the service stops.
    return503OnClosing: false,
    genReqId: requestId,
    rewriteUrl: ({ url = '/' }: IncomingMessage) => routedTarget(url),
    childLoggerFactory: requestLog,
    frameworkErrors: (error, request, reply) => {
      answer(error, request as FastifyRequest, reply as unknown as FastifyReply)
    },
    clientErrorHandler: clientErrors.answer,
    // Given here, so that Fastify does not load its own.
    schemaController: {
      compilersFactory: {
        // Its type names only Fastify's own compiler.
        buildValidator: createValidators as unknown as ValidatorFactory,
        // Views are built member by member, so compiled serializers would only cost start-up time.
        buildSerializer: () => () => (data: unknown) => JSON.stringify(data),
      },
    },
  }).withTypeProvider<TypeBoxTypeProvider>()

  server.removeContentTypeParser('text/plain')
  server.addContentTypeParser(
    'application/merge-patch+json',
    { parseAs: 'string' },
    server.getDefaultJsonParser('error', 'error'),
  )
  const patterns = collectRoutes(server)
  // These hooks use callbacks: a promise each would cost a third of a hit.
  server.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    drain?.answering(request.raw.socket, reply.raw)
    const fault = framingFault(request)
    if (fault !== undefined || drain?.isOn) {
      reply.header('connection', 'close')
      pipelines.endAfter(request.raw.socket)
    }
    if (fault !== undefined) throw new BrokerError('request_invalid', fault)
    checkProtocol(request)
    forgetTypeOfNothing(request)
    if (request.raw.url !== undefined && request.raw.url.length > URL_LIMIT) {
      throw new BrokerError('uri_too_long', `The URL exceeds ${URL_LIMIT} characters`)
    }
    done()
  })
  if (CHATTY.includes(logger.level)) {
    server.addHook('onResponse', (request, reply, done) => {
      request.log.debug({ req: request, res: reply, ms: Math.round(reply.elapsedTime) }, 'answered')
      done()
    })
  }
  server.setErrorHandler((thrown, request, reply) => {
    const error = toBrokerError(thrown, mediaTypesOf(request))
    return answer(onProblem?.(error, request) ?? error, request, reply)
  })
  server.setNotFoundHandler((request, reply) => {
    const allowed = patterns.methodsOf(pathOf(request))
    if (allowed.length === 0 || allowed.includes(request.method)) {
      throw new BrokerError('not_found', 'The API has no such path')
    }
    reply.header('allow', allowed.join(', '))
    throw new BrokerError('method_not_allowed', `This path accepts ${allowed.join(', ')}`)
  })
  return server
}

function nodeServer(
  listener: RequestListener,
  tls: ServerOptions['tls'],
  { headersMs, requestMs, checkMs }: ServerLimits,
) {
  const options = {
    connectionsCheckingInterval: checkMs,
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // `checkProtocol` answers a missing Host with a problem.
    requireHostHeader: false,
    // A request without a body needs no stream, which saves a tenth of a hit.
    optimizeEmptyRequests: true,
  }
  const server = tls
    ? createHttpsServer({ ...tls.options, ...options }, listener)
    : createHttpServer(options, listener)
  server.setTimeout(IDLE_MS)
  server.maxHeadersCount = HEADERS_MAX
  server.maxRequestsPerSocket = REQUESTS_MAX
  return server
}

/** Accepts a request id that is safe in logs and headers. */
function requestId(request: { headers: Record<string, string | string[] | undefined> }): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && SAFE_REQUEST_ID.test(given) ? given : randomUUID()
}

/** Detects requests whose end is ambiguous (RFC 9112, section 6.1). Data after them is not parsed. */
function framingFault({ raw }: FastifyRequest): string | undefined {
  const coding = raw.headers['transfer-encoding']
  if (coding === undefined) return undefined
  if (raw.httpVersion === '1.0') return 'headers: HTTP/1.0 has no Transfer-Encoding'
  // Node detects this itself, but only after it has emitted the request.
  if (coding.toLowerCase() === 'chunked') return undefined
  return 'headers: Transfer-Encoding may only be chunked'
}

/** RFC 9112, sections 2.3 and 3.2. */
function checkProtocol({ raw }: FastifyRequest): void {
  if (raw.httpVersion !== '1.1' && raw.httpVersion !== '1.0') {
    throw new BrokerError('request_invalid', 'The service requires HTTP/1.1')
  }
  const hosts = countHeader(raw.rawHeaders, 'host')
  if (hosts > 1 || (hosts === 0 && raw.httpVersion === '1.1')) {
    throw new BrokerError('request_invalid', 'headers: Host must be present exactly once')
  }
}

/** Without a length there is no body (RFC 9112, section 6.3). A content type alone would make Fastify wait for one. */
function forgetTypeOfNothing({ raw: { headers } }: FastifyRequest): void {
  if (
    headers['content-type'] !== undefined &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined
  ) {
    delete headers['content-type']
  }
}

/** Accepts every form of a request target (RFC 9112, section 3.2). */
function pathOf(request: FastifyRequest): string {
  const url = (request.raw.url ?? '/').replace(/^https?:\/\/[^/?]*/i, '')
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

/** Answers with the problem. Default status: that of the problem. */
export function answer(
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  status?: number,
): FastifyReply {
  const error = toBrokerError(thrown)
  logFailure(error, request)
  const { id, params } = request
  const { name, integration } = (params ?? {}) as Readonly<Record<string, string | undefined>>
  const problem = problemAnswer(error, { id, path: pathOf(request), name: name ?? integration })
  reply.header('x-request-id', request.id)
  return reply
    .code(status ?? problem.status)
    .headers(problem.headers)
    .serializer(JSON.stringify)
    .send(problem.body)
}

/** The `consumes` of a route, or JSON. */
function mediaTypesOf({ routeOptions: { schema } }: FastifyRequest): readonly string[] {
  const { consumes = ['application/json'] }: { consumes?: readonly string[] } = schema ?? {}
  return consumes
}

/** Records the methods of each path, to distinguish 405 from 404. */
function collectRoutes(server: Server) {
  const routes: { readonly pattern: RegExp; readonly methods: string[] }[] = []
  server.addHook('onRoute', ({ url, method }) => {
    const source = url
      .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replace(/:[A-Za-z_]+/g, '[^/]+')
      .replace(/\*/g, '.*')
    routes.push({ pattern: new RegExp(`^${source}$`), methods: [method].flat() })
  })
  return {
    methodsOf: (path: string): readonly string[] =>
      [
        ...new Set(routes.filter(({ pattern }) => pattern.test(path)).flatMap((r) => r.methods)),
      ].sort(),
  }
}
