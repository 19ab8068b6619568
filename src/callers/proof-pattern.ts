/** Which requests a proof may be signed for: patterns as in `request-pattern.ts`, and rules that no pattern loosens. Pure. */
import { matchesRequest, readRequest, type SeenRequest, segmentsOf } from './request-pattern.ts'

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

/** Undefined: one of the patterns permits a proof for the request. */
export function patternRefusal(
  patterns: readonly string[],
  request: SeenRequest,
): PatternRefusal | undefined {
  const clear = readRequest(request)
  if (clear === undefined) return 'ambiguous'
  const names = clear.path.map(folded)
  if (isOfToken(names)) return 'never'
  const matching = patterns.filter((pattern) => matchesRequest(pattern, clear))
  if (matching.length === 0) return 'not_permitted'
  return matching.some((pattern) => namesOutright(pattern, clear.path, names))
    ? undefined
    : 'unnamed'
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

function namesOutright(
  pattern: string,
  path: readonly string[],
  names: readonly string[],
): boolean {
  const parts = segmentsOf(pattern.split(' ')[1] ?? '')
  return names.every((name, at) => !WIDE.has(name) || parts[at] === path[at])
}

/** Printable ASCII without `%`: nothing to decode, and nothing that folds to anything else. */
const PLAIN = /^[!-$&-~]*$/

/** As a server may compare names that it takes for equal. The path is known to decode. */
const folded = (segment: string): string =>
  PLAIN.test(segment)
    ? segment.toLowerCase()
    : decodeURIComponent(segment).normalize('NFKC').toUpperCase().toLowerCase()
