/** Translates addresses that a Cluster or Sentinels announce to reachable ones. */
import { parseNode, type RedisNode } from './url.ts'

/** Maps an announced `host:port`, or a host with any port. A target without a port keeps the announced one. */
export type NatMap = ReadonlyMap<string, { readonly host: string; readonly port?: number }>

const NO_PORT = 0

/** Parses `from=to,from=to`; each side is `HOST:PORT` or `HOST`. Throws an `Error` that names the entry. */
export function parseNatMap(text: string): NatMap {
  const entries = text.split(',').map((entry, index) => {
    const sides = entry.split('=').map((side) => nodeOf(side.trim()))
    const [from, to] = sides
    if (sides.length !== 2 || from === undefined || to === undefined) {
      throw new Error(`entry ${index + 1} must be HOST:PORT=HOST:PORT or HOST=HOST`)
    }
    return [from.port === undefined ? from.host : `${from.host}:${from.port}`, to] as const
  })
  return new Map(entries)
}

function nodeOf(text: string): { readonly host: string; readonly port?: number } | undefined {
  const hasPort = /\]:\d+$|^[^:\]]*:\d+$/.test(text)
  // The parser requires a port; this one stands for none.
  const node = parseNode(text, hasPort ? NO_PORT : 1)
  if (node === undefined) return undefined
  return hasPort ? node : { host: node.host }
}

/** Returns the same node without a matching entry. */
export function translated(nat: NatMap, node: RedisNode): RedisNode {
  const to = nat.get(`${node.host}:${node.port}`) ?? nat.get(node.host)
  return to === undefined ? node : { host: to.host, port: to.port ?? node.port }
}

/**
 * Completes hosts in a reply to `CLUSTER SLOTS`. `''` (address unknown to the node) and NULL
 * (address not announced) mean the node that was asked. `?` means an unknown host name; the
 * metadata then contains the address.
 */
export function withEndpoints(slots: unknown, asked: string): unknown {
  if (!Array.isArray(slots)) return slots
  return slots.map((range: unknown) =>
    Array.isArray(range)
      ? range.map((node: unknown) => (Array.isArray(node) ? withEndpoint(node, asked) : node))
      : range,
  )
}

function withEndpoint(node: readonly unknown[], asked: string): readonly unknown[] {
  const [host, ...rest] = node
  if (typeof host === 'string' && host !== '' && host !== '?') return node
  const address = host === '?' ? addressIn(rest[2]) : undefined
  return [address ?? asked, ...rest]
}

function addressIn(pairs: unknown): string | undefined {
  if (!Array.isArray(pairs)) return undefined
  const address: unknown = pairs[pairs.indexOf('ip') + 1]
  return pairs.includes('ip') && typeof address === 'string' && address !== '' ? address : undefined
}
