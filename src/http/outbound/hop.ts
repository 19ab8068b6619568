/** At which hop of a call to somebody else something went wrong, and what to do about it there. */

/** In the order in which a call passes them. `tunnel`: what the proxy answers to CONNECT. */
export const HOPS = {
  proxy: ['resolve', 'connect', 'tls', 'tunnel'],
  host: ['resolve', 'connect', 'tls', 'http'],
} as const

export const PLACES = Object.keys(HOPS) as readonly (keyof typeof HOPS)[]
export const STEPS = ['resolve', 'connect', 'tls', 'tunnel', 'http'] as const

export interface Hop {
  readonly at: keyof typeof HOPS
  readonly step: (typeof STEPS)[number]
  /** Of the proxy's answer to CONNECT, where it is no success. */
  readonly status?: number
  /** Of the error: as Node, OpenSSL or undici call it. */
  readonly code?: string
}

/** The code of what did not come in time. */
export const TIMED_OUT = 'ETIMEDOUT'

/** A failure at a hop. Its message holds nothing that came from outside. */
export class HopError extends Error {
  override readonly name = 'HopError'
  readonly hop: Hop

  constructor(hop: Hop, cause?: unknown) {
    super(textOf(hop), cause === undefined ? undefined : { cause })
    this.hop = hop
  }
}

const textOf = ({ at, step, status, code }: Hop): string =>
  [
    `${at}, ${step}`,
    ...(status === undefined ? [] : [`status ${status}`]),
    ...(code ? [code] : []),
  ].join(', ')

/** The same failure, as of a hop; one that knows its hop keeps it. */
export function atHop(hop: Hop, cause?: unknown): HopError {
  if (cause instanceof HopError) return cause
  const code = codeIn(cause)
  return new HopError({ ...hop, ...(code !== undefined && { code }) }, cause)
}

/** The hop of an error or of what caused it. */
export function hopOf(error: unknown, depth = 0): Hop | undefined {
  if (!(error instanceof Error) || depth > DEPTH) return undefined
  return error instanceof HopError ? error.hop : hopOf(error.cause, depth + 1)
}

/** Whether it arose before the request could be sent: then nothing was, for sure. */
export const isBeforeRequest = ({ step }: Hop): boolean => step !== 'http'

const DEPTH = 5

/** The first code of a chain of causes; several addresses fail with several errors. */
export function codeIn(error: unknown, depth = 0): string | undefined {
  if (!(error instanceof Error) || depth > DEPTH) return undefined
  const { code } = error as NodeJS.ErrnoException
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code)) return code
  // undici leaves the code out where llhttp has none for the first bytes.
  if (error.name === 'HTTPParserError') return 'HPE_INVALID_CONSTANT'
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause
  return codeIn(inner, depth + 1)
}
