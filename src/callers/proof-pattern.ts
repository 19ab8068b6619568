/** Which requests a proof may be signed for: patterns as in `request-pattern.ts`, and rules that no pattern loosens. Pure. */
import {
  type ClearRequest,
  matchesRequest,
  type RequestPattern,
  readPatterns,
  readRequest,
  type SeenRequest,
} from './request-pattern.ts'

/** Why no proof is signed for a request. */
export const PATTERN_REFUSALS = {
  ambiguous: 'can be read in two ways',
  never: 'belongs to the token itself, so no proof is ever signed for it',
  unnamed:
    'has a path that stands for many different requests, so a pattern must name each of these segments without a star',
  not_permitted: 'is none of those that `requests` in `GET /whoami` permits',
} as const

export type PatternRefusal = keyof typeof PATTERN_REFUSALS

/** Segments of paths that stand for many different requests. A star does not stand for them. */
const WIDE: ReadonlySet<string> = new Set([
  ...['composite', 'batch', 'graph', 'graphql', 'soap', 'apexrest', 'executeanonymous'],
])

/** A request that no rule but the patterns can refuse. */
interface ProvenRequest extends ClearRequest {
  /** The segments of the path, as a server may compare them. */
  readonly names: readonly string[]
}

/** Undefined: one of the patterns permits a proof for the request. */
export function patternRefusal(
  patterns: readonly string[],
  request: SeenRequest,
): PatternRefusal | undefined {
  const read = readProven(request)
  return typeof read === 'string' ? read : refusalBy(patterns, read)
}

/** The request, for {@link refusalBy}; or why no pattern permits a proof for it. */
export function readProven(request: SeenRequest): ProvenRequest | PatternRefusal {
  const clear = readRequest(request)
  if (clear === undefined) return 'ambiguous'
  const { method, path } = clear
  const names = path.map(folded)
  return isOfToken(names) ? 'never' : { method, path, names }
}

/** Undefined: one of the patterns permits a proof for the request. */
export function refusalBy(
  patterns: readonly string[],
  request: ProvenRequest,
): PatternRefusal | undefined {
  let refusal: PatternRefusal | undefined = 'not_permitted'
  for (const pattern of readPatterns(patterns)) {
    if (!matchesRequest(pattern, request)) continue
    if (namesOutright(pattern, request)) return undefined
    refusal = 'unnamed'
  }
  return refusal
}

/** Token endpoints, identities, and what makes a session of a token. A path before `services` is that of an Experience Cloud site. */
function isOfToken(names: readonly string[]): boolean {
  const services = names.indexOf('services')
  const before = services === -1 ? names : names.slice(0, services)
  return (
    names.some((name) => name === 'oauth2' || /^(frontdoor|singleaccess)/.test(name)) ||
    before.some((name) => name === 'id' || name === 'secur')
  )
}

const namesOutright = ({ path: parts }: RequestPattern, { path, names }: ProvenRequest): boolean =>
  names.every((name, at) => !WIDE.has(name) || parts[at] === path[at])

/** Printable ASCII without `%`: nothing to decode, and nothing that folds to anything else. */
const PLAIN = /^[!-$&-~]*$/

/** As a server may compare names that it takes for equal. The path is known to decode. */
const folded = (segment: string): string =>
  PLAIN.test(segment)
    ? segment.toLowerCase()
    : decodeURIComponent(segment).normalize('NFKC').toUpperCase().toLowerCase()
