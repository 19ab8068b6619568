import { lookup as dnsLookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { type Dispatcher, request } from 'undici'
import { within } from '../../runtime/timeout.ts'
import { isPublicAddress } from '../address.ts'
import { readBounded } from '../server/bounded-body.ts'
import { atHop, type Hop, type HopError, hopOf, isBeforeRequest, TIMED_OUT } from './hop.ts'
import { ADDRESS_REFUSED, type ResolvedAddress } from './vetted-lookup.ts'
import { createWays, type OutboundTls } from './ways.ts'

/**
 * The HTTP client for all calls to Salesforce and to issuers. Allows only https and public
 * addresses (issuers may have private ones), follows no redirects, limits answers, and applies one
 * deadline to each exchange.
 */
export interface Outbound {
  /** Makes one exchange. Never rejects: failures are outcomes. Resolves at the deadline or the signal, whatever the server does. */
  send(request: OutboundRequest): Promise<OutboundOutcome>
  /** The same as a `fetch`, for libraries. Rejects with a TypeError whose `cause` is the {@link OutboundFailure}. */
  fetch(url: string | URL, init?: OutboundInit): Promise<Response>
  /** Waits up to one second for exchanges in progress, then closes all connections. */
  close(): Promise<void>
}

export interface OutboundRequest {
  readonly url: string
  /** Default: GET. */
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Aborts the exchange at any stage, with the reason `timeout`. */
  readonly signal?: AbortSignal
  /**
   * Whether to send the request again if a kept connection was closed. Never for a refresh token,
   * because the first request may have used it. Default: false.
   */
  readonly repeatable?: boolean
}

interface OutboundInit {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>> | Headers
  readonly body?: string | URLSearchParams
  readonly signal?: AbortSignal | null
}

export interface OutboundAnswer {
  readonly ok: true
  readonly status: number
  /** Lower-case names; repeated headers are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
  /** Decompressed, at most 64 KiB. */
  readonly body: Buffer
  /** The target of a redirect, which is never followed. */
  readonly redirect?: URL
}

export interface OutboundFailure {
  readonly ok: false
  /**
   * `timeout`: the deadline or the signal. `unreachable`: DNS, connection, TLS or HTTP.
   * `address_refused`: not https, or not a public address. `too_large`, `undecodable`: the body.
   */
  readonly reason: 'timeout' | 'unreachable' | 'address_refused' | 'too_large' | 'undecodable'
  /** Absent: the body failed. */
  readonly hop?: Hop
  /** For the log only. */
  readonly cause?: unknown
}

export type OutboundOutcome = OutboundAnswer | OutboundFailure

export interface OutboundDependencies {
  /** Exempts URLs from the rules on https and public addresses. */
  readonly hosts: { allowsPrivate(url: URL): boolean }
  /** Returns every address of a host. Default: the resolver of the system. */
  readonly lookup?: (hostname: string) => Promise<readonly ResolvedAddress[]>
  /** The settings of the same names. A proxy resolves names itself. */
  readonly proxy?: { readonly httpsProxy?: string; readonly noProxy?: string }
  /** `anywhere`: also private addresses, for issuers that the operator configures. https is still required. Default: `public`. */
  readonly reach?: 'public' | 'anywhere'
  readonly tls?: OutboundTls
  /** Upper bound for each exchange, in milliseconds. At least 1. Default: 60000. */
  readonly deadlineMs?: number
  /** Aborted when the process stops. Requests without a connection are then given up after one second. */
  readonly stopping?: AbortSignal
}

const BODY_LIMIT = 64 * 1024
const NULL_BODY_STATUS = new Set([204, 205, 304])
/** For a connection while the process stops. */
const LAST_CONNECT_MS = 1_000

/** Progress of one exchange. */
interface Progress {
  /** The first byte may have been sent. */
  isSent: boolean
  hasAnswered: boolean
}

export function createOutbound(dependencies: OutboundDependencies): Outbound {
  const { hosts, reach = 'public', deadlineMs = 60_000, tls, proxy = {}, stopping } = dependencies
  const ways = createWays({
    resolve: dependencies.lookup ?? ((host) => dnsLookup(host, { all: true })),
    isPublicOnly: reach === 'public',
    ...{ proxy, tls, deadlineMs },
  })

  /** The hop of an exchange. A request that waits for a connection is at the hop of that connection. */
  const hopNow = ({ origin }: URL, { isSent }: Progress) =>
    isSent ? HTTP : (ways.makingTo(origin) ?? CONNECT)

  async function send(sent: OutboundRequest): Promise<OutboundOutcome> {
    const url = new URL(sent.url)
    const isListed = hosts.allowsPrivate(url)
    const refused = isListed ? undefined : whyRefused(url, reach)
    if (refused !== undefined) return failed('address_refused', refused)
    const way = isListed ? ways.listed : ways.usual
    const progress: Progress = { isSent: false, hasAnswered: false }
    let hop: Pick<Hop, 'at' | 'step'> | undefined
    const late = () =>
      failed('timeout', atHop({ ...(hop ?? hopNow(url, progress)), code: TIMED_OUT }))
    const begunBefore = ways.begunTo(url.origin)
    const work = async (signal: AbortSignal): Promise<OutboundOutcome> => {
      // The attempt may advance or end later, so its hop is recorded at the abort.
      signal.addEventListener('abort', () => {
        hop = hopNow(url, progress)
      })
      const ask = () => exchange(url, sent, { way, signal, progress, late })
      const first = await ask()
      const wasKeptConnection = ways.begunTo(url.origin) === begunBefore
      const isWorthAnother = sent.repeatable && wasKeptConnection && isStale(first, progress)
      return isWorthAnother ? ask() : first
    }
    const { signal, forget } = hurriedBy(stopping, sent.signal, progress)
    try {
      return await within(deadlineMs, work, { signal, late })
    } finally {
      forget()
    }
  }

  return {
    send,
    async fetch(url, init = {}) {
      const outcome = await send({
        url: String(url),
        method: init.method?.toUpperCase() === 'POST' ? 'POST' : 'GET',
        headers: Object.fromEntries(new Headers(init.headers).entries()),
        ...(init.body === undefined ? {} : { body: String(init.body) }),
        ...(init.signal ? { signal: init.signal } : {}),
      })
      if (!outcome.ok) throw new TypeError('fetch failed', { cause: outcome })
      return new Response(NULL_BODY_STATUS.has(outcome.status) ? null : outcome.body, outcome)
    },
    close: ways.close,
  }
}
const HTTP = { at: 'host', step: 'http' } as const
const CONNECT = { at: 'host', step: 'connect' } as const

/** Ends with the signal. While the process stops, ends after one second if nothing was sent. */
function hurriedBy(
  stopping: AbortSignal | undefined,
  signal: AbortSignal | undefined,
  progress: Progress,
) {
  if (!stopping) return { signal, forget: () => undefined }
  const unsent = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const hurry = () => {
    timer = setTimeout(() => {
      if (!progress.isSent) unsent.abort()
    }, LAST_CONNECT_MS)
  }
  stopping.addEventListener('abort', hurry, { once: true })
  if (stopping.aborted) hurry()
  return {
    signal: signal ? AbortSignal.any([unsent.signal, signal]) : unsent.signal,
    forget() {
      clearTimeout(timer)
      stopping.removeEventListener('abort', hurry)
    },
  }
}

interface ExchangeOptions {
  readonly way: Dispatcher
  readonly signal: AbortSignal
  readonly progress: Progress
  readonly late: () => OutboundFailure
}

async function exchange(
  url: URL,
  sent: OutboundRequest,
  { way, signal, progress, late }: ExchangeOptions,
): Promise<OutboundOutcome> {
  try {
    const response = await request(url, {
      dispatcher: way.compose(notingStart(progress)),
      method: sent.method ?? 'GET',
      headers: { 'accept-encoding': 'identity', ...sent.headers },
      body: sent.body ?? null,
      signal,
    })
    progress.hasAnswered = true
    const headers = joined(response.headers)
    const stream = response.body
    const body = await readBounded(
      {
        stream,
        contentLength: headers['content-length'],
        contentEncoding: headers['content-encoding'],
      },
      BODY_LIMIT,
    )
    if (typeof body === 'string') return { ok: false, reason: body }
    const status = response.statusCode
    const location = status >= 300 && status < 400 ? headers.location : undefined
    const redirect = location === undefined ? null : URL.parse(location, url.href)
    return { ok: true, status, headers, body, ...(redirect === null ? {} : { redirect }) }
  } catch (error) {
    if (signal.aborted) return late()
    const failure = atHop(HTTP, error)
    return failed(failure.hop.code === ADDRESS_REFUSED ? 'address_refused' : 'unreachable', failure)
  }
}

/** Records when the request has a connection and its first byte is written. */
const notingStart =
  (progress: Progress): Dispatcher.DispatcherComposeInterceptor =>
  (dispatch) =>
  (options, handler) => {
    const { onRequestStart } = handler
    handler.onRequestStart = (controller, context) => {
      progress.isSent = true
      onRequestStart?.call(handler, controller, context)
    }
    return dispatch(options, handler)
  }

/** Whether the connection closed before the first byte of an answer. */
function isStale(outcome: OutboundOutcome, { hasAnswered }: Progress): boolean {
  if (hasAnswered || outcome.ok || outcome.reason !== 'unreachable') return false
  const { step, code = '' }: Hop = outcome.hop ?? CONNECT
  return step === 'http' && ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(code)
}

/** Whether the cause shows that there was no connection, so that nothing was sent. */
export function wasNeverSent(cause: unknown): boolean {
  const hop = hopOf(cause)
  return hop !== undefined && isBeforeRequest(hop)
}

/** undici skips the lookup for IP literals, so this function checks them. */
function whyRefused(url: URL, reach: 'public' | 'anywhere'): HopError | undefined {
  if (url.protocol !== 'https:') return unsent('only https is allowed')
  if (reach === 'anywhere') return undefined
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 && !isPublicAddress(host)) return unsent('the address is not public')
  return undefined
}

const unsent = (why: string) => atHop({ at: 'host', step: 'resolve' }, new Error(why))

function joined(headers: Readonly<Record<string, string | string[] | undefined>>) {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  )
}

function failed(reason: OutboundFailure['reason'], cause: HopError): OutboundFailure {
  return { ok: false, reason, hop: cause.hop, cause }
}
