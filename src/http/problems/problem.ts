/** Converts errors to problems (RFC 9457). */
import { type TSchema, Type } from 'typebox'
import { BrokerError } from '../../errors/errors.ts'
import { PROBLEMS, type ProblemCode, type ProblemRow } from '../../errors/problems.ts'
import { PLACES, STEPS } from '../outbound/hop.ts'
import { shownName, shownPath } from '../server/shown-path.ts'
import { FrozenSchema } from './frozen-schema.ts'
import { problemRemedyOf, wholeSeconds } from './remedy.ts'
import { describeFaults, type SchemaFault } from './schema-fault.ts'

export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

/** Detail of errors whose message is not for callers. */
const INTERNAL_DETAIL = 'An unexpected error occurred; the log has the cause.'

interface ProblemBody {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly remedy: string
  readonly instance: string
  readonly code: ProblemCode
  readonly request_id: string
  readonly [member: string]: unknown
}

interface ProblemAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: ProblemBody
}

interface ProblemRequest {
  readonly id: string
  readonly path: string
  /** The name of the integration, if known. */
  readonly name?: string | undefined
}

export function problemAnswer(error: BrokerError, request: ProblemRequest): ProblemAnswer {
  const { status } = error
  const headers: Record<string, string> = {
    'content-type': PROBLEM_MEDIA_TYPE,
    'cache-control': 'no-store',
  }
  if (error.retryAfterMs !== undefined) {
    headers['retry-after'] = String(wholeSeconds(error.retryAfterMs))
  }
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="valetkey"'
  return {
    status,
    headers,
    body: {
      ...error.members,
      type: `/problems/${error.code}`,
      title: PROBLEMS[error.code].title,
      status,
      detail: error.code === 'internal' ? INTERNAL_DETAIL : error.detail,
      remedy: remedyFor(error, request.name),
      instance: shownPath(request.path),
      code: error.code,
      request_id: request.id,
    },
  }
}

/** Puts the name of the integration, if known, into paths, so that they can be copied. */
export function remedyFor(error: BrokerError, name: string | undefined): string {
  const remedy = problemRemedyOf(error)
  const shown = name === undefined ? '*' : shownName(name)
  return shown === '*' ? remedy : remedy.replaceAll('{name}', shown)
}

/** Errors of Fastify and Node by code. */
const FOREIGN: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  FST_ERR_BAD_URL: ['request_invalid', 'The path is not a valid URL path'],
  FST_ERR_ASYNC_CONSTRAINT: ['request_invalid', 'The request does not fit the route'],
  FST_ERR_MAX_PARAM_LENGTH: ['uri_too_long', 'A part of the path has more than 100 characters'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large', 'The body has more than 64 KiB'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'media_type_unsupported',
    'This route does not accept the media type of Content-Type',
  ],
  FST_ERR_CTP_EMPTY_TYPE: ['media_type_unsupported', 'The request has a body and no Content-Type'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['request_invalid', 'The body is empty, but Content-Type is JSON'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['request_invalid', 'The body is not valid JSON'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'request_invalid',
    'The length of the body differs from Content-Length',
  ],
  FST_ERR_HANDLER_TIMEOUT: ['salesforce_timeout', 'The request took longer than its deadline'],
  FST_STATIC_FORBIDDEN_PATH: ['not_found', 'The API has no such path'],
  HPE_HEADER_OVERFLOW: [
    'headers_too_large',
    'The header section has more than 16 KiB or more than 64 fields',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The request did not arrive in full in time'],
  ECONNRESET: ['request_invalid', 'The connection was closed'],
}

interface ForeignError {
  readonly code?: unknown
  readonly statusCode?: unknown
  readonly validation?: readonly SchemaFault[]
  readonly validationContext?: string
}

/** Converts anything thrown while a request is handled; unknown errors become `internal`. `mediaTypes` are those of the route. */
export function toBrokerError(
  thrown: unknown,
  mediaTypes: readonly string[] = JSON_TYPES,
): BrokerError {
  if (thrown instanceof BrokerError) return thrown
  const error = (thrown ?? {}) as ForeignError
  if (error.validation) {
    return new BrokerError(
      'request_invalid',
      describeFaults(error.validation, error.validationContext),
    )
  }
  const known = typeof error.code === 'string' ? FOREIGN[error.code] : undefined
  if (known?.[0] === 'media_type_unsupported') return unsupported(known[1], mediaTypes, thrown)
  if (known) return new BrokerError(known[0], known[1], { cause: thrown })
  const { statusCode } = error
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new BrokerError('request_invalid', 'The request cannot be read', { cause: thrown })
  }
  return new BrokerError('internal', INTERNAL_DETAIL, { cause: thrown })
}

const JSON_TYPES = ['application/json']

function unsupported(why: string, mediaTypes: readonly string[], cause: unknown): BrokerError {
  const types = mediaTypes.join(' or ')
  return new BrokerError('media_type_unsupported', `${why}; it accepts ${types}`, {
    cause,
    members: { media_types: mediaTypes },
    remedy: `Send the body as ${types}, and set Content-Type accordingly.`,
  })
}

export const RefusalSchema = Type.Object(
  {
    error: Type.String({ description: "Salesforce's own" }),
    error_description: Type.Optional(Type.String({ description: "Salesforce's own" })),
    reason: Type.String({ description: 'One of a closed list; programs may match it' }),
    class: Type.Unsafe<string>({
      type: 'string',
      enum: ['transient', 'permanent', 'wait', 'propagating'],
    }),
    cause: Type.String(),
    remedy: Type.String(),
    setup_path: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Where in Setup to act',
    }),
  },
  { title: 'Refusal', description: 'The refusal of Salesforce, and its remedy' },
)

export const SalesforceWordsSchema = Type.Object(
  {
    status: Type.Integer(),
    error_code: Type.String({ description: 'Empty if there is none' }),
    message: Type.String({ description: 'Printable, without secrets' }),
  },
  { title: "Salesforce's words", description: 'An error of a Salesforce API other than OAuth' },
)

const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'URL of a page about this problem' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'For people; match on `code` instead' }),
    remedy: Type.String({ description: 'The remedy, for people' }),
    instance: Type.String(),
    code: Type.Unsafe<ProblemCode>({ type: 'string', enum: Object.keys(PROBLEMS) }),
    request_id: Type.String({ description: 'As in the header `X-Request-Id` and in the log' }),
    refusal: Type.Optional(RefusalSchema),
    salesforce: Type.Optional(SalesforceWordsSchema),
    hop: Type.Optional(
      Type.Object(
        {
          at: Type.Unsafe<string>({ type: 'string', enum: [...PLACES] }),
          step: Type.Unsafe<string>({ type: 'string', enum: [...STEPS] }),
          status: Type.Optional(
            Type.Integer({ description: "Status of the proxy's answer to CONNECT (`tunnel`)" }),
          ),
          code: Type.Optional(Type.String({ description: 'Error code of Node' })),
        },
        { description: 'Where the call to Salesforce failed: at the proxy or at the host' },
      ),
    ),
    etag: Type.Optional(
      Type.String({
        description: 'The current version, if a precondition failed and the caller may read it',
      }),
    ),
    written: Type.Optional(
      Type.Boolean({
        description:
          'True: the change is made and audited; only the confirmation by replicas is missing',
      }),
    ),
    frozen: Type.Optional(FrozenSchema),
    media_types: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Media types of the route, with `media_type_unsupported`',
      }),
    ),
  },
  {
    title: 'Problem',
    description: 'RFC 9457. `refusal` comes with `grant_refused`; more members may come.',
    additionalProperties: true,
    // One example for all statuses; otherwise the page generates one for each.
    examples: [
      {
        type: '/problems/integration_not_connected',
        title: PROBLEMS.integration_not_connected.title,
        status: PROBLEMS.integration_not_connected.status,
        detail: 'It has no refresh token',
        remedy: PROBLEMS.integration_not_connected.remedy,
        instance: '/tokens/billing',
        code: 'integration_not_connected',
        request_id: '4f0c1a52-7d4e-4a53-9c53-0a4b1c0d9a10',
      },
    ],
  },
)

const problemSchema = (codes: readonly ProblemCode[]) => ({
  allOf: [ProblemSchema, { type: 'object', properties: { code: { enum: [...codes] } } }],
})

export function statusesOf(code: ProblemCode): readonly number[] {
  const { status, waitingStatus }: ProblemRow = PROBLEMS[code]
  return waitingStatus === undefined ? [status] : [status, waitingStatus]
}

interface ProblemResponse {
  readonly description: string
  readonly headers?: Readonly<Record<string, unknown>>
  readonly content: Readonly<Record<string, unknown>>
  readonly [member: string]: unknown
}

/** Headers of {@link problemAnswer}. */
function headersAt(status: number): Pick<ProblemResponse, 'headers'> {
  const described = (name: string, header: object) => ({ headers: { [name]: header } })
  if (status === 401) {
    const description = 'How to authenticate (RFC 9110, section 11.6.1)'
    return described('WWW-Authenticate', {
      required: true,
      schema: { type: 'string' },
      description,
    })
  }
  if (status !== 429 && status !== 503) return {}
  const description = 'Seconds until a retry makes sense, if known'
  return described('Retry-After', { schema: { type: 'integer', minimum: 1 }, description })
}

/** Response descriptions of these problems, by status. */
export function problemResponses(
  codes: readonly ProblemCode[],
): Readonly<Record<string, ProblemResponse>> {
  const byStatus = new Map<number, ProblemCode[]>()
  const add = (status: number, code: ProblemCode) => {
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  for (const code of codes) {
    for (const status of statusesOf(code)) add(status, code)
  }
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [status, problemResponse(of, headersAt(Number(status)))]),
  )
}

/** The response for each of these problems. */
export const problemResponse = (
  codes: readonly ProblemCode[],
  headers: Pick<ProblemResponse, 'headers'> = {},
): ProblemResponse => ({
  description: codes.map((code) => PROBLEMS[code].title).join('; '),
  ...headers,
  content: { [PROBLEM_MEDIA_TYPE]: { schema: problemSchema(codes) } },
})

/** Response schemas of the problems that a route states. `derived-problems.ts` adds the others. */
export const problems = (...codes: readonly ProblemCode[]): Record<number, TSchema> =>
  Object.fromEntries(
    Object.entries(problemResponses(codes)).map(([status, response]) => [
      status,
      Type.Unsafe(response),
    ]),
  )
