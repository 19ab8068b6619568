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

/** A request that cannot be read in two ways. */
interface ClearRequest {
  readonly method: string
  /** The segments of the path, as they are written. */
  readonly path: readonly string[]
}

/** Whether one of the patterns permits the request. A request that can be read in two ways is not permitted. */
export function permitsRequest(patterns: readonly string[], request: SeenRequest): boolean {
  const clear = readRequest(request)
  return clear !== undefined && patterns.some((pattern) => matchesRequest(pattern, clear))
}

/** Undefined: it can be read in two ways. */
export function readRequest({ method, target }: SeenRequest): ClearRequest | undefined {
  const path = readPath(target)
  return path === undefined || !METHOD.test(method) ? undefined : { method, path }
}

export function matchesRequest(pattern: string, { method, path }: ClearRequest): boolean {
  const [verb = '', glob = ''] = pattern.split(' ')
  return (verb === '*' || verb === method) && matchesPath(glob, path)
}

/** The segments of an unambiguous path. */
function readPath(target: string): readonly string[] | undefined {
  const [path = '', query] = splitAt(target, '?')
  if (path === '' || !PATH.test(path) || isAmbiguousQuery(query)) return undefined
  const encoded = [...path.matchAll(/%([0-9A-Fa-f]{2})/g)]
  if (encoded.some(([, hex = '']) => isAmbiguous(Number.parseInt(hex, 16)))) return undefined
  const text = decoded(path)
  // Some servers decode what is not UTF-8, or is longer than its character needs.
  if (text === undefined || foldsToSeparator(text)) return undefined
  const segments = segmentsOf(path)
  return segments.some((segment) => DOTS.test(segment)) ? undefined : segments
}

const isAmbiguous = (byte: number): boolean =>
  byte < FIRST_PRINTABLE || byte === DELETE || AMBIGUOUS.test(String.fromCharCode(byte))

const foldsToSeparator = (text: string): boolean =>
  (text.match(FOLDABLE) ?? []).some((character) => SEPARATING.test(character.normalize('NFKC')))

/** A slash at the end changes nothing at Salesforce. */
export const segmentsOf = (path: string): readonly string[] =>
  path.replace(/\/$/, '').split('/').slice(1)

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

function matchesPath(glob: string, path: readonly string[]): boolean {
  const parts = segmentsOf(glob)
  const isOpen = parts.at(-1) === '*'
  if (isOpen ? path.length < parts.length : path.length !== parts.length) return false
  return parts.every((part, at) => matchesGlob(part, path[at] ?? ''))
}
