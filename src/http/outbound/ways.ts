/** Dispatchers for direct connections and for connections through the proxy, and the connections in progress. */
import { rootCertificates } from 'node:tls'
import { Agent, buildConnector, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici'
import { within } from '../../runtime/timeout.ts'
import { type Attempt, type Connect, directly, throughTunnel } from './connecting.ts'
import type { Hop } from './hop.ts'
import { type ResolvedAddress, vettedLookup } from './vetted-lookup.ts'

interface Ways {
  /** Uses the proxy if one applies to the host. Allows only public addresses unless configured otherwise. */
  readonly usual: Dispatcher
  /** For hosts that the operator listed: never through the proxy, at any address. */
  readonly listed: Dispatcher
  /** How many connections to the origin were started. Distinguishes a kept connection from a new one. */
  begunTo(origin: string): number
  /** The hop of the oldest connection attempt to the origin. Undefined: there is none. */
  makingTo(origin: string): Pick<Hop, 'at' | 'step'> | undefined
  /** Waits up to one second for exchanges in progress, then closes all connections. */
  close(): Promise<void>
}

/** In PEM. */
export interface OutboundTls {
  /** Trusted in addition to the built-in ones. */
  readonly ca?: string
  /** The certificate of this client. */
  readonly cert?: string
  readonly key?: string
}

interface WaysOptions {
  readonly resolve: (hostname: string) => Promise<readonly ResolvedAddress[]>
  readonly proxy: { readonly httpsProxy?: string; readonly noProxy?: string }
  /** Whether the usual dispatcher allows only public addresses. */
  readonly isPublicOnly: boolean
  readonly tls: OutboundTls | undefined
  /** Longest wait for the head of an answer, and for each next part, in milliseconds. */
  readonly deadlineMs: number
}

const CONNECT_TIMEOUT_MS = 5_000
const KEEP_ALIVE_MAX_MS = 10_000
const CONNECTIONS_PER_ORIGIN = 8
const CLOSE_MS = 1_000

export function createWays(options: WaysOptions): Ways {
  const { resolve, proxy, isPublicOnly, tls = {}, deadlineMs } = options
  const { ca, ...pair } = tls
  const begun = new Map<string, number>()
  const making = new Map<string, Set<Attempt>>()
  const stopped = new AbortController()
  const settings = {
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
    ...pair,
    allowH2: false,
    timeout: CONNECT_TIMEOUT_MS,
  }
  const common = {
    connections: CONNECTIONS_PER_ORIGIN,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
    headersTimeout: deadlineMs,
    bodyTimeout: deadlineMs,
    allowH2: false,
  }

  const noted =
    (origin: string, connect: Connect): buildConnector.connector =>
    (target, callback) => {
      const attempt: Attempt = { hop: { at: 'host', step: 'resolve' } }
      const others = making.get(origin) ?? new Set()
      making.set(origin, others.add(attempt))
      begun.set(origin, (begun.get(origin) ?? 0) + 1)
      const done = () => {
        others.delete(attempt)
        if (others.size === 0) making.delete(origin)
      }
      connect(attempt, target).then(
        (socket) => {
          done()
          callback(null, socket)
        },
        (error: Error) => {
          done()
          callback(error, null)
        },
      )
    }

  const poolTo = (origin: string | URL, options: object, connect: Connect) =>
    new Pool(origin, { ...options, connect: noted(String(origin), connect) })

  const agent = (connector: buildConnector.connector) =>
    new Agent({ ...common, factory: (to, of) => poolTo(to, of, directly(connector)) })

  const usualAgent = (): Dispatcher => {
    const direct = buildConnector({
      ...settings,
      ...(isPublicOnly && { lookup: vettedLookup(resolve) }),
    })
    const { httpsProxy = '', noProxy = '' } = proxy
    if (httpsProxy === '') return agent(direct)
    const tunnel = throughTunnel({
      proxy: new URL(httpsProxy),
      toProxy: buildConnector(settings),
      toHost: buildConnector(settings),
      timeoutMs: CONNECT_TIMEOUT_MS,
      stopped: stopped.signal,
    })
    return new EnvHttpProxyAgent({
      ...common,
      // An empty string, because undici reads the environment if the value is missing.
      httpProxy: '',
      httpsProxy,
      noProxy,
      connect: direct,
      // Replaces undici's connector for the proxy by ours.
      factory: (to: string | URL, of: { readonly connect?: unknown }) =>
        poolTo(to, of, of.connect === direct ? directly(direct) : tunnel),
    })
  }

  const usual = usualAgent()
  const listed = agent(buildConnector(settings))
  const ways = [usual, listed]
  let closing: Promise<void> | undefined

  const end = async () => {
    const letEnd = async () => {
      await Promise.all(ways.map((way) => way.close()))
      return true
    }
    if (await within(CLOSE_MS, letEnd, { late: () => false })) return
    stopped.abort()
    await Promise.all(ways.map((way) => way.destroy()))
  }

  return {
    usual,
    listed,
    begunTo: (origin) => begun.get(origin) ?? 0,
    makingTo(origin) {
      const [first] = making.get(origin) ?? []
      return first?.hop
    },
    close() {
      closing ??= end()
      return closing
    },
  }
}
