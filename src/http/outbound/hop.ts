/** The hop at which an outbound call failed. */

/** In the order of a call. `tunnel`: the answer of the proxy to CONNECT. */
export const HOPS = {
  proxy: ['resolve', 'connect', 'tls', 'tunnel'],
  host: ['resolve', 'connect', 'tls', 'http'],
} as const

export const PLACES = Object.keys(HOPS) as readonly (keyof typeof HOPS)[]
export const STEPS = ['resolve', 'connect', 'tls', 'tunnel', 'http'] as const

export interface Hop {
  readonly at: keyof typeof HOPS
  readonly step: (typeof STEPS)[number]
  /** Status of the proxy's answer to CONNECT, if it refuses. */
  readonly status?: number
  /** Error code of Node, OpenSSL or undici. */
  readonly code?: string
}

export const TIMED_OUT = 'ETIMEDOUT'

/** A failure at a hop. Its message contains no external data. */
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

/** Assigns a hop to a failure. A failure that already has a hop keeps it. */
export function atHop(hop: Hop, cause?: unknown): HopError {
  if (cause instanceof HopError) return cause
  const code = codeIn(cause)
  return new HopError({ ...hop, ...(code !== undefined && { code }) }, cause)
}

/** The hop of an error or of one of its causes. */
export function hopOf(error: unknown, depth = 0): Hop | undefined {
  if (!(error instanceof Error) || depth > DEPTH) return undefined
  return error instanceof HopError ? error.hop : hopOf(error.cause, depth + 1)
}

/** Whether the failure happened before the request was sent. */
export const isBeforeRequest = ({ step }: Hop): boolean => step !== 'http'

const DEPTH = 5

/** The first error code in a chain of causes. Several addresses fail with several errors. */
function codeIn(error: unknown, depth = 0): string | undefined {
  if (!(error instanceof Error) || depth > DEPTH) return undefined
  const { code } = error as NodeJS.ErrnoException
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code)) return code
  // undici omits the code if llhttp has none for the first bytes.
  if (error.name === 'HTTPParserError') return 'HPE_INVALID_CONSTANT'
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause
  return codeIn(inner, depth + 1)
}
