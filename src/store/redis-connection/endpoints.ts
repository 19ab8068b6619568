/** How addresses that a Cluster or Sentinels announce become addresses that lead there from here. */
import { parseNode, type RedisNode } from './url.ts'

/** From an announced `host:port`, or a host for all its ports, to where it is reached; without a port the announced one stays. */
export type NatMap = ReadonlyMap<string, { readonly host: string; readonly port?: number }>

const NO_PORT = 0

/** Reads `from=to,from=to`; each side is `HOST:PORT` or `HOST`. Throws an `Error` that names the entry. */
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
  // A port is needed to be valid, and this one says that there is none.
  const node = parseNode(text, hasPort ? NO_PORT : 1)
  if (node === undefined) return undefined
  return hasPort ? node : { host: node.host }
}

/** The same node where nothing is said about it. */
export function translated(nat: NatMap, node: RedisNode): RedisNode {
  const to = nat.get(`${node.host}:${node.port}`) ?? nat.get(node.host)
  return to === undefined ? node : { host: to.host, port: to.port ?? node.port }
}

/**
 * A reply to `CLUSTER SLOTS` with a host for each node. A node that does not know its own address
 * says `''`, and one that does not say it NULL: both mean the one that was asked. `?` is a host name
 * that is not known, and then the address stands beside it.
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

/** Among the pairs that follow the id of a node. */
function addressIn(pairs: unknown): string | undefined {
  if (!Array.isArray(pairs)) return undefined
  const address: unknown = pairs[pairs.indexOf('ip') + 1]
  return pairs.includes('ip') && typeof address === 'string' && address !== '' ? address : undefined
}
