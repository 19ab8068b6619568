/** Reads the unverified header and claims of a JWT: finds the issuer, and refuses what is never accepted. */
import { refusedBearer } from './authenticator.ts'

interface UnverifiedJwt {
  /** Only used to find the configured issuer. */
  readonly issuer: string
}

/** In characters. */
const TOKEN_MAX = 8 * 1024
const KID_MAX = 128
const PARTS = /^([\w-]+)\.([\w-]+)\.[\w-]+$/
/** Keys come from the configured issuer only, and extensions that change the meaning of a signature are not supported. */
const REFUSED_PARAMETERS = ['jku', 'x5u', 'jwk', 'x5c', 'crit', 'b64', 'zip', 'enc']

export const isTooLarge = (token: string): boolean => token.length > TOKEN_MAX

/** Throws `caller_unauthenticated`. */
export function readUnverified(token: string): UnverifiedJwt {
  if (isTooLarge(token)) throw refusedBearer('TOKEN_TOO_LARGE')
  const [, first, second] = PARTS.exec(token) ?? []
  const header = first === undefined ? undefined : objectIn(first)
  const claims = second === undefined ? undefined : objectIn(second)
  if (!header || !claims) throw refusedBearer('TOKEN_MALFORMED')
  if (REFUSED_PARAMETERS.some((name) => Object.hasOwn(header, name))) {
    throw refusedBearer('TOKEN_HEADER_REFUSED')
  }
  const { kid } = header
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > KID_MAX)) {
    throw refusedBearer('TOKEN_HEADER_REFUSED')
  }
  if (typeof claims.iss !== 'string') throw refusedBearer('TOKEN_ISSUER_UNKNOWN')
  return { issuer: claims.iss }
}

/** Nesting depth of objects and lists. */
const DEPTH_MAX = 32

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Refuses a JSON object with a repeated member, because parsers differ in which one they use. */
function objectIn(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = utf8.decode(Buffer.from(part, 'base64url'))
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject && !hasTwins(text) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** Whether an object in this well-formed JSON text has two members with the same name. A text that is too deep counts as such. */
export function hasTwins(json: string): boolean {
  const open: (Set<unknown> | undefined)[] = []
  for (const [token, text, colon] of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (open.length > DEPTH_MAX) return true
    if (token === '{') open.push(new Set())
    else if (token === '[') open.push(undefined)
    else if (token === '}' || token === ']') open.pop()
    else if (text !== undefined && colon !== undefined) {
      const name: unknown = JSON.parse(text)
      const names = open.at(-1)
      if (names?.has(name)) return true
      names?.add(name)
    }
  }
  return false
}
