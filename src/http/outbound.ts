import { lookup as dnsLookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { rootCertificates } from 'node:tls'
import { Agent, buildConnector, type Dispatcher, EnvHttpProxyAgent, Pool, request } from 'undici'
import { isPublicAddress } from './address.ts'
import { readBounded } from './bounded-body.ts'
import { within } from './deadline.ts'
import { ADDRESS_REFUSED, type ResolvedAddress, vettedLookup } from './vetted-lookup.ts'

/**
 * The one way out: every call to Salesforce and to issuers goes through here. https only, to
 * public addresses only (issuers may be inside), no redirects, bounded answers, one deadline over
 * all of it.
 */
export interface Outbound {
  /** One exchange. Never rejects: what went wrong is an outcome. */
  send(request: OutboundRequest): Promise<OutboundOutcome>
  /** The same for libraries that want a `fetch`: rejects with a TypeError whose `cause` is the {@link OutboundFailure}. */
  fetch(url: string | URL, init?: OutboundInit): Promise<Response>
  /** Lets exchanges in flight end, then closes every connection. */
  close(): Promise<void>
}

export interface OutboundRequest {
  readonly url: string
  /** Default GET. */
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Ends the exchange, at any stage, as `timeout`. */
  readonly signal?: AbortSignal
  /**
   * Whether it may be sent a second time when a kept connection turns out to be dead. Never for a
   * refresh token: a first one that did arrive has used it up. Default false.
   */
  readonly repeatable?: boolean
}

export interface OutboundInit {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>> | Headers
  readonly body?: string | URLSearchParams
  readonly signal?: AbortSignal | null
}

export interface OutboundAnswer {
  readonly ok: true
  readonly status: number
  /** Names in lower case; repeated ones joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
  /** Unpacked, at most 64 KiB. */
  readonly body: Buffer
  /** Where a redirect points, which is never followed. */
  readonly redirect?: URL
}

export interface OutboundFailure {
  readonly ok: false
  /**
   * `timeout`: the deadline or the signal; `unreachable`: name, connection, TLS or HTTP;
   * `address_refused`: not https, or an address that is not public; `too_large`, `undecodable`:
   * the body.
   */
  readonly reason: 'timeout' | 'unreachable' | 'address_refused' | 'too_large' | 'undecodable'
  /** For the log alone. */
  readonly cause?: unknown
}

export type OutboundOutcome = OutboundAnswer | OutboundFailure

export interface OutboundDependencies {
  /** Which URLs are exempt from the rules on https and public addresses. */
  readonly hosts: { allowsPrivate(url: URL): boolean }
  /** Every address of a host. Default: the system's resolver. */
  readonly lookup?: (hostname: string) => Promise<readonly ResolvedAddress[]>
  /** As the settings of the same names; behind a proxy, the proxy resolves names. */
  readonly proxy?: { readonly httpsProxy?: string; readonly noProxy?: string }
  /** `anywhere`: private addresses too, for issuers that the operator names; https all the same. Default `public`. */
  readonly reach?: 'public' | 'anywhere'
  /** PEM of a CA to trust besides the well-known ones. */
  readonly ca?: string
  /** Longest exchange, whatever its signal says, in milliseconds. At least 1. Default 60000. */
  readonly deadlineMs?: number
}

const BODY_LIMIT = 64 * 1024
const CONNECT_TIMEOUT_MS = 5_000
const KEEP_ALIVE_MAX_MS = 10_000
const CONNECTIONS_PER_ORIGIN = 8
const NULL_BODY_STATUS = new Set([204, 205, 304])

export function createOutbound(dependencies: OutboundDependencies): Outbound {
  const { hosts, reach = 'public', deadlineMs = 60_000, ca, proxy = {} } = dependencies
  const resolve = dependencies.lookup ?? ((host) => dnsLookup(host, { all: true }))
  const tls = ca === undefined ? {} : { ca: [...rootCertificates, ca] }
  const connects = new Map<string, number>()
  const common = {
    connections: CONNECTIONS_PER_ORIGIN,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
    headersTimeout: deadlineMs,
    bodyTimeout: deadlineMs,
    allowH2: false,
    requestTls: { ...tls, timeout: CONNECT_TIMEOUT_MS },
    proxyTls: { ...tls, timeout: CONNECT_TIMEOUT_MS },
    factory: (origin: string | URL, options: object) =>
      new Pool(origin, countingConnects(options, String(origin), connects)),
  }
  const connector = (lookup?: LookupFunction) =>
    buildConnector({
      ...tls,
      allowH2: false,
      timeout: CONNECT_TIMEOUT_MS,
      ...(lookup === undefined ? {} : { lookup }),
    })
  const lookup = reach === 'public' ? vettedLookup(resolve) : undefined
  const guarded = { ...common, connect: connector(lookup) }
  const publicWay: Dispatcher =
    proxy.httpsProxy === undefined || proxy.httpsProxy === ''
      ? new Agent(guarded)
      : new EnvHttpProxyAgent({
          ...guarded,
          // An empty string, since undici reads the environment where a value is missing.
          httpProxy: '',
          httpsProxy: proxy.httpsProxy,
          noProxy: proxy.noProxy ?? '',
        })
  const listedWay: Dispatcher = new Agent({ ...common, connect: connector() })

  async function send(sent: OutboundRequest): Promise<OutboundOutcome> {
    const url = new URL(sent.url)
    const isListed = hosts.allowsPrivate(url)
    const refused = isListed ? undefined : whyRefused(url, reach)
    if (refused !== undefined) return failed('address_refused', refused)
    const way = isListed ? listedWay : publicWay
    return within(deadlineMs, async (deadline) => {
      const signal = sent.signal ? AbortSignal.any([deadline, sent.signal]) : deadline
      const connectsBefore = connects.get(url.origin)
      const first = await exchange(url, sent, way, signal)
      const wasKeptConnection = connects.get(url.origin) === connectsBefore
      const isWorthAnother = sent.repeatable && wasKeptConnection && isStale(first)
      return isWorthAnother ? exchange(url, sent, way, signal) : first
    })
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
    async close() {
      await Promise.all([publicWay.close(), listedWay.close()])
    },
  }
}

async function exchange(
  url: URL,
  sent: OutboundRequest,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<OutboundOutcome> {
  let hasAnswered = false
  try {
    const response = await request(url, {
      dispatcher,
      method: sent.method ?? 'GET',
      headers: { 'accept-encoding': 'identity', ...sent.headers },
      body: sent.body ?? null,
      signal,
    })
    hasAnswered = true
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
    if (typeof body === 'string') return failed(body)
    const status = response.statusCode
    const location = status >= 300 && status < 400 ? headers.location : undefined
    const redirect = location === undefined ? null : URL.parse(location, url.href)
    return { ok: true, status, headers, body, ...(redirect === null ? {} : { redirect }) }
  } catch (error) {
    if (signal.aborted) return failed('timeout', error)
    if (codeOf(error) === ADDRESS_REFUSED) return failed('address_refused', error)
    return failed('unreachable', hasAnswered ? new Error('cut off', { cause: error }) : error)
  }
}

/** Whether the connection died before the first byte of an answer. */
function isStale(outcome: OutboundOutcome): boolean {
  if (outcome.ok || outcome.reason !== 'unreachable') return false
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(codeOf(outcome.cause) ?? '')
}

const CONNECT_ERRORS: ReadonlySet<string | undefined> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  ADDRESS_REFUSED,
])

/** Whether the cause of a failure says that there was no connection: then nothing was sent, for sure. */
export const wasNeverSent = (cause: unknown): boolean => CONNECT_ERRORS.has(codeOf(cause))

/** The lookup is skipped for IP literals, so those are judged here. */
function whyRefused(url: URL, reach: 'public' | 'anywhere'): Error | undefined {
  if (url.protocol !== 'https:') return new Error('only https may be called')
  if (reach === 'anywhere') return undefined
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 && !isPublicAddress(host)) return new Error('the address is not public')
  return undefined
}

/** Counts new connections of an origin, which tells a kept connection from a fresh one. */
function countingConnects(
  options: { connect?: buildConnector.connector },
  origin: string,
  connects: Map<string, number>,
): Pool.Options {
  const { connect } = options
  if (typeof connect !== 'function') return options
  return {
    ...options,
    connect: (target: buildConnector.Options, callback: buildConnector.Callback) => {
      connects.set(origin, (connects.get(origin) ?? 0) + 1)
      connect(target, callback)
    },
  }
}

function joined(headers: Readonly<Record<string, string | string[] | undefined>>) {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  )
}

function failed(reason: OutboundFailure['reason'], cause?: unknown): OutboundFailure {
  return { ok: false, reason, ...(cause === undefined ? {} : { cause }) }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
