/** Which requests to Salesforce a caller may make: patterns of a method and a path. Pure. Judges only what Salesforce reads as it stands, and refuses the rest. */
import { matchesGlob } from './glob.ts'

/** A request as it goes to Salesforce. */
export interface SeenRequest {
  readonly method: string
  /** The path, with or without a query. */
  readonly target: string
}

/** `METHOD /path`, where `*` is any method, a part of a segment, or, at the end, the rest of the path. */
export const REQUEST_PATTERN = {
  pattern: "^(\\*|[A-Z]{1,20}) (/[A-Za-z0-9._~!$&'()*+,=:@-]+)*/?$",
  $comment:
    'a method in capitals or *, one space, and a path without query, %, ; or doubled slashes',
} as const

const METHOD = /^[A-Z]{1,20}$/
/** Characters of a path (RFC 3986, section 3.3), without `;`, which some servers cut off with what follows it. */
const PATH = /^(?:\/(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})+)*\/?$/
/** Encoded characters that a server may take for others: unreserved ones (RFC 3986, section 2.3), and those that separate or are decoded twice. */
const AMBIGUOUS = /^[A-Za-z0-9._~\-/\\%;?#]$/
/** Control characters end here. */
const FIRST_PRINTABLE = 0x20
const DELETE = 0x7f
const DOTS = /^\.+$/
/** Characters that a server may fold (NFKC) to one that separates, such as fullwidth ones. */
const FOLDABLE = /\P{ASCII}/gu
const SEPARATING = /[./\\%;?#]/
/** A parameter by which Salesforce takes a POST for another method. */
const METHOD_PARAMETER = '_httpmethod'

/** A name with nothing to decode and nothing to cut off, as most are. */
const PLAIN_NAME = /^[\w.-]*$/

/** A request that cannot be read in two ways. */
export interface ClearRequest {
  readonly method: string
  /** The segments of the path, as they are written. */
  readonly path: readonly string[]
}

/** A pattern in its parts. */
export interface RequestPattern {
  /** `*`: any. */
  readonly method: string
  /** Globs of the segments of the path. */
  readonly path: readonly string[]
  /** The last glob stands for the rest of the path. */
  readonly isOpen: boolean
}

/** Patterns are read once, because each request is compared with all of them. */
const patternsRead = new WeakMap<readonly string[], readonly RequestPattern[]>()

export function readPatterns(patterns: readonly string[]): readonly RequestPattern[] {
  const known = patternsRead.get(patterns)
  if (known) return known
  const read = patterns.map((pattern): RequestPattern => {
    const [method = '', glob = ''] = pattern.split(' ')
    const path = segmentsOf(glob)
    return { method, path, isOpen: path.at(-1) === '*' }
  })
  patternsRead.set(patterns, read)
  return read
}

/** Whether one of the patterns permits the request. A request that can be read in two ways is not permitted. */
export function permitsRequest(patterns: readonly string[], request: SeenRequest): boolean {
  const clear = readRequest(request)
  return (
    clear !== undefined && readPatterns(patterns).some((pattern) => matchesRequest(pattern, clear))
  )
}

/** Undefined: it can be read in two ways. */
export function readRequest({ method, target }: SeenRequest): ClearRequest | undefined {
  const path = readPath(target)
  return path === undefined || !METHOD.test(method) ? undefined : { method, path }
}

export function matchesRequest(pattern: RequestPattern, { method, path }: ClearRequest): boolean {
  return (pattern.method === '*' || pattern.method === method) && matchesPath(pattern, path)
}

/** The segments of an unambiguous path. */
function readPath(target: string): readonly string[] | undefined {
  const [path = '', query] = splitAt(target, '?')
  if (path === '' || !PATH.test(path) || isAmbiguousQuery(query)) return undefined
  if (path.includes('%') && isAmbiguouslyEncoded(path)) return undefined
  const segments = segmentsOf(path)
  return segments.some((segment) => DOTS.test(segment)) ? undefined : segments
}

function isAmbiguouslyEncoded(path: string): boolean {
  const encoded = [...path.matchAll(/%([0-9A-Fa-f]{2})/g)]
  if (encoded.some(([, hex = '']) => isAmbiguous(Number.parseInt(hex, 16)))) return true
  const text = decoded(path)
  // Some servers decode what is not UTF-8, or is longer than its character needs.
  return text === undefined || foldsToSeparator(text)
}

const isAmbiguous = (byte: number): boolean =>
  byte < FIRST_PRINTABLE || byte === DELETE || AMBIGUOUS.test(String.fromCharCode(byte))

const foldsToSeparator = (text: string): boolean =>
  (text.match(FOLDABLE) ?? []).some((character) => SEPARATING.test(character.normalize('NFKC')))

/** A slash at the end changes nothing at Salesforce. */
const segmentsOf = (path: string): readonly string[] => {
  const segments = path.split('/')
  if (segments.length > 1 && segments.at(-1) === '') segments.pop()
  segments.shift()
  return segments
}

function splitAt(text: string, mark: string): readonly [string, string?] {
  const at = text.indexOf(mark)
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

/** The query is not judged, but it must not change the method. A fragment never reaches a server, and a space separates two targets. */
function isAmbiguousQuery(query: string | undefined): boolean {
  if (query === undefined) return false
  if (/[#\s]/.test(query)) return true
  return query.split(/[&;?]/).some((parameter) => {
    const [written] = splitAt(parameter, '=')
    if (PLAIN_NAME.test(written)) return written.toLowerCase() === METHOD_PARAMETER
    const name = decoded(written.replaceAll('+', ' '))
    return name === undefined || bare(name) === METHOD_PARAMETER
  })
}

/** Without what a server may cut off. */
const bare = (name: string): string => name.replaceAll(/[\s\p{Cc}]/gu, '').toLowerCase()

/** Undefined: it cannot be decoded. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function matchesPath({ path: parts, isOpen }: RequestPattern, path: readonly string[]): boolean {
  if (isOpen ? path.length < parts.length : path.length !== parts.length) return false
  return parts.every((part, at) => matchesGlob(part, path[at] ?? ''))
}
