/** Derives the problems that follow from HTTP, the limits of the server and the guard, and adds them to each operation. */
import { PROBLEMS, type ProblemCode } from '../../errors/problems.ts'
import { PROBLEM_MEDIA_TYPE, problemResponse, problemResponses } from '../problems/problem.ts'

type Node = Readonly<Record<string, unknown>>

interface Response {
  readonly content?: Readonly<Record<string, unknown>>
  readonly [member: string]: unknown
}

export interface Operation {
  /** Absent: the security of the document, which is the guard. */
  readonly security?: readonly Node[]
  readonly operationId?: string
  readonly responses?: Readonly<Record<string, Response>>
  readonly [member: string]: unknown
}

export interface DescribedApi {
  readonly components?: Node
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

interface Rule {
  /** Describes `applies` for people. */
  readonly when: string
  readonly applies: (method: string, operation: Operation) => boolean
  readonly codes: readonly ProblemCode[]
}

const RULES: readonly Rule[] = [
  {
    when: 'any request, before its route is found',
    applies: () => true,
    codes: ['request_invalid', 'request_timeout', 'headers_too_large'],
  },
  {
    when: 'a route with problems of this service: length limits of the URL, and internal errors',
    applies: (_method, operation) => !hasErrorsOfItsOwn(operation),
    codes: ['uri_too_long', 'internal'],
  },
  {
    when: 'a path with a parameter, which may be too long',
    applies: (_method, operation) => hasErrorsOfItsOwn(operation) && hasPathParameter(operation),
    codes: ['uri_too_long'],
  },
  {
    when: 'a method that may have a body: Fastify reads it for every route',
    applies: (method, operation) => method !== 'get' && !hasErrorsOfItsOwn(operation),
    codes: ['body_too_large', 'media_type_unsupported'],
  },
  {
    when: 'a route behind the guard',
    applies: (_method, { security }) => security === undefined,
    codes: [
      'caller_unauthenticated',
      'caller_forbidden',
      'rate_limited',
      'store_unavailable',
      'store_reset',
      'audit_unavailable',
      'record_corrupt',
      'another_version',
    ],
  },
]

const hasPathParameter = ({ parameters }: Operation) =>
  Array.isArray(parameters) && parameters.some((one: Node) => one.in === 'path')

/** OAuth errors, which are JSON, and faults of SOAP. */
const hasErrorsOfItsOwn = ({ responses = {} }: Operation) =>
  Object.entries(responses).some(
    ([status, { content = {} }]) =>
      (status.startsWith('4') && 'application/json' in content) ||
      (status === '500' && 'text/xml' in content),
  )

/**
 * Pure. Adds the derived problems to the responses that each route states. A response with one
 * problem becomes a shared component.
 */
export function withDerivedProblems<Api extends DescribedApi>(api: Api): Api {
  const shared = new Map<string, Response>()
  const share = (response: Response): Response => {
    const [code, ...others] = codesIn(response)
    const isOne = Object.keys(response.content ?? {}).length === 1 && others.length === 0
    if (!isOne || code === undefined) return response
    const name = nameOf(code)
    shared.set(name, response)
    return { $ref: `#/components/responses/${name}` }
  }
  const paths = mapValues(api.paths ?? {}, (operations) =>
    mapValues(operations, (operation, method) => {
      const codes = RULES.filter(({ applies }) => applies(method, operation)).flatMap(
        (rule) => rule.codes,
      )
      const responses = refused(operation, merged(operation.responses ?? {}, codes))
      return { ...operation, responses: mapValues(responses, share) }
    }),
  )
  const sorted = Object.fromEntries([...shared].sort(([a], [b]) => (a < b ? -1 : 1)))
  return { ...api, paths, components: { ...api.components, responses: sorted } }
}

/** Merges a response of the route and problems with the same status: two media types, or several codes. */
function merged(stated: Readonly<Record<string, Response>>, codes: readonly ProblemCode[]) {
  const all = [...Object.values(stated).flatMap(codesIn), ...codes]
  const derived: Readonly<Record<string, Response>> = problemResponses([...new Set(all)])
  const responses = mapValues(derived, (response, status): Response => {
    const { content = {}, ...others } = stated[status] ?? {}
    // Keeps the other media types and the description.
    const own = Object.entries(content).filter(([type]) => type !== PROBLEM_MEDIA_TYPE)
    return own.length === 0
      ? response
      : { ...others, content: { ...Object.fromEntries(own), ...response.content } }
  })
  return { ...stated, ...responses }
}

/** Member of an operation whose problems may all have one status, at the wish of the caller: that status. */
const REFUSES_AS = 'x-refuses-as'

function refused(operation: Operation, responses: Readonly<Record<string, Response>>) {
  const status = operation[REFUSES_AS]
  if (typeof status !== 'number') return responses
  const codes = [...new Set(Object.values(responses).flatMap(codesIn))]
  const others = codes.filter((code) => PROBLEMS[code].status !== 401)
  return { ...responses, [status]: { ...problemResponse(others), description: ANY_REFUSAL } }
}

const ANY_REFUSAL = 'Any refusal but 401, for a caller that asks for this status'

/** The codes of a response; the last part of its schema narrows them. */
function codesIn({ content = {} }: Response): readonly ProblemCode[] {
  const problem = content[PROBLEM_MEDIA_TYPE] as ProblemContent | undefined
  return problem?.schema?.allOf?.at(-1)?.properties?.code?.enum ?? []
}

interface ProblemContent {
  readonly schema?: {
    readonly allOf?: readonly {
      readonly properties?: { readonly code?: { enum?: ProblemCode[] } }
    }[]
  }
}

const nameOf = (code: ProblemCode) =>
  code.replace(/(?:^|_)([a-z])/g, (_match, letter: string) => letter.toUpperCase())

export const mapValues = <Value, Result>(
  record: Readonly<Record<string, Value>>,
  change: (value: Value, key: string) => Result,
): Record<string, Result> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]))
