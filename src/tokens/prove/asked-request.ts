/** A request that a proof is asked for: an absolute URL, judged byte for byte as it is signed. Pure. */
import type { SeenRequest } from '../../callers/request-pattern.ts'

/** As the caller names it. */
export interface AskedRequest {
  readonly method: string
  /** Absolute. */
  readonly url: string
}

/** What is signed. */
export interface ProvableRequest {
  readonly method: string
  /** Scheme, host and path as the caller wrote them, without the query. */
  readonly url: string
  /** The path of that URL. */
  readonly path: string
}

/** Why no proof is signed, where the pattern does not matter. */
export const URL_REFUSALS = {
  url: 'has no URL of the form `https://HOST/PATH`',
  host: 'goes to another host than `instance_url`, or to another port',
} as const

interface Split extends SeenRequest {
  /** Scheme, host and port. */
  readonly origin: string
}

/** Up to the first slash after the host. No user, no backslash, no percent sign, no letter beyond ASCII. */
const FORM = /^(https?:\/\/[A-Za-z0-9.:[\]-]+)(\/[\x21-\x7e]*)$/

/** The URL in two parts, whose concatenation it is. Undefined: clients may read it in several ways. */
export function splitRequest({ method, url }: AskedRequest): Split | undefined {
  const [, origin, target] = FORM.exec(url) ?? []
  return origin === undefined || target === undefined ? undefined : { method, origin, target }
}

/** The request at this origin, as it is signed. */
export function provableAt(origin: string, { method, target }: SeenRequest): ProvableRequest {
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  return { method, url: `${origin}${path}`, path }
}
