/** Which request to Salesforce a gateway asks for: what its sub-request says of it. Pure. */
import type { IncomingHttpHeaders } from 'node:http'
import type { SeenRequest } from '../callers/request-pattern.ts'
import { countHeader } from '../http/server/raw-headers.ts'

interface SubRequest {
  readonly method: string
  /** The target as received. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
}

/** Headers of the method and the target: those of nginx by convention, and those of Caddy and Traefik. */
const PAIRS = [
  ['x-original-method', 'x-original-uri'],
  ['x-forwarded-method', 'x-forwarded-uri'],
] as const

/** Headers by which a server may take a POST for another method. Gateways copy them from their client. */
const OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override'] as const

const BELOW = /^\/gateway\/[^/?#]+(\/.*)$/s

/** Fits no pattern. */
const AMBIGUOUS: SeenRequest = { method: '', target: '' }

/**
 * Every request that the sub-request names: in headers, and in its own path as Envoy does it. All of
 * them must be permitted, because the client of a gateway may have written those that the gateway
 * does not set. Half a pair, or one header twice, is ambiguous. Empty: it names none.
 */
export function seenRequests(request: SubRequest): readonly SeenRequest[] {
  const below = BELOW.exec(request.target)?.[1]
  const own = below === undefined ? [] : [{ method: request.method, target: below }]
  const named = [...own, ...PAIRS.flatMap((pair) => namedBy(pair, request))]
  return [...named, ...OVERRIDES.flatMap((header) => overriddenBy(header, named, request))]
}

/** The same requests with the method of the header. */
function overriddenBy(
  header: string,
  named: readonly SeenRequest[],
  { headers, rawHeaders }: SubRequest,
): readonly SeenRequest[] {
  const count = countHeader(rawHeaders, header)
  if (count === 0) return []
  const method = headers[header]
  const isClear = count === 1 && typeof method === 'string'
  return isClear
    ? named.map(({ target }) => ({ method: method.toUpperCase(), target }))
    : [AMBIGUOUS]
}

function namedBy(
  pair: readonly [string, string],
  { headers, rawHeaders }: SubRequest,
): readonly SeenRequest[] {
  const counts = pair.map((name) => countHeader(rawHeaders, name))
  if (counts.every((count) => count === 0)) return []
  const [method, target] = pair.map((name) => headers[name])
  const isClear =
    counts.every((count) => count === 1) && typeof method === 'string' && typeof target === 'string'
  return [isClear ? { method, target } : AMBIGUOUS]
}
