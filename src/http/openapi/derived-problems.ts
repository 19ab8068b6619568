/** The problems that a route can answer whatever it does: those of HTTP, of the server's limits, and of the gates before it. Derived from what the document says of the route. */
import type { ProblemCode } from '../../errors/errors.ts'
import { PROBLEM_MEDIA_TYPE, problemResponses } from '../problems/problem.ts'

type Node = Readonly<Record<string, unknown>>

interface Response {
  readonly content?: Readonly<Record<string, unknown>>
  readonly [member: string]: unknown
}

export interface Operation {
  /** Absent: that of the document, which is the guard. */
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
  /** What `applies` says, for people. */
  readonly when: string
  readonly applies: (method: string, operation: Operation) => boolean
  readonly codes: readonly ProblemCode[]
}

const RULES: readonly Rule[] = [
  {
    when: 'anything that is sent here, before a route is looked up',
    applies: () => true,
    codes: ['request_invalid', 'request_timeout', 'headers_too_large'],
  },
  {
    when: 'a route with our problems: the length of the URL and of its parts, and our own mistakes',
    applies: (_method, operation) => !hasErrorsOfItsOwn(operation),
    codes: ['uri_too_long', 'internal'],
  },
  {
    when: 'a method that may have a body: Fastify reads it, whether or not the route wants it',
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

/** OAuth's, which are JSON. */
const hasErrorsOfItsOwn = ({ responses = {} }: Operation) =>
  Object.entries(responses).some(
    ([status, { content = {} }]) => status.startsWith('4') && 'application/json' in content,
  )

/**
 * Pure. Adds what follows from the rules to the responses that each route states. A response that is
 * one problem stands in the document once.
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
      const responses = merged(operation.responses ?? {}, codes)
      return { ...operation, responses: mapValues(responses, share) }
    }),
  )
  const sorted = Object.fromEntries([...shared].sort(([a], [b]) => (a < b ? -1 : 1)))
  return { ...api, paths, components: { ...api.components, responses: sorted } }
}

/** A status may have an answer of the route and a problem: two media types, or one of several codes. */
function merged(
  stated: Readonly<Record<string, Response>>,
  codes: readonly ProblemCode[],
): Readonly<Record<string, Response>> {
  const all = [...Object.values(stated).flatMap(codesIn), ...codes]
  const derived: Readonly<Record<string, Response>> = problemResponses([...new Set(all)])
  const responses = mapValues(derived, (response, status): Response => {
    const { content = {}, ...others } = stated[status] ?? {}
    // What it says beside problems stays, and so does its description.
    const own = Object.entries(content).filter(([type]) => type !== PROBLEM_MEDIA_TYPE)
    return own.length === 0
      ? response
      : { ...others, content: { ...Object.fromEntries(own), ...response.content } }
  })
  return { ...stated, ...responses }
}

/** Of the problems that the response stands for; the last part of its schema narrows them. */
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

/** `uri_too_long` becomes `UriTooLong`. */
const nameOf = (code: ProblemCode) =>
  code.replace(/(?:^|_)([a-z])/g, (_match, letter: string) => letter.toUpperCase())

export const mapValues = <Value, Result>(
  record: Readonly<Record<string, Value>>,
  change: (value: Value, key: string) => Result,
): Record<string, Result> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]))
