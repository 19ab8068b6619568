import { Secret } from '../../crypto/secret.ts'

export interface RedisTarget {
  readonly topology:
    | { readonly kind: 'standalone'; readonly node: RedisNode }
    | { readonly kind: 'socket'; readonly path: string }
    | {
        readonly kind: 'sentinel'
        readonly sentinels: readonly RedisNode[]
        readonly master: string
      }
    | { readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] }
  readonly tls: boolean
  readonly serverName?: string
  readonly username?: string
  readonly password?: Secret
  readonly database: number
}

export interface RedisNode {
  readonly host: string
  readonly port: number
}

const URL_FORM =
  /^(redis|rediss|valkey|valkeys)(\+sentinel|\+cluster)?:\/\/(?:(.*)@)?([^/?#@]*)(\/[^?#]*)?(?:\?([^#]*))?$/s
const SOCKET_FORM = /^(?:(?:redis|valkey)\+)?unix:\/\/(?:(.*)@)?(\/[^?#@]+)(?:\?([^#]*))?$/s
const NODE_FORM = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/
const HOST_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/
const REDIS_PORT = 6379
const SENTINEL_PORT = 26379

/**
 * Parses `redis://`, `redis+sentinel://h1:26379,h2:26379/MASTER/DB`, `redis+cluster://h1,h2/DB`,
 * the same with `rediss`, `valkey` and `valkeys`, and `redis+unix:///PATH?db=DB`. `?sni=NAME`
 * requires TLS. Throws an `Error` that does not repeat the URL, which may contain a password.
 */
export function parseRedisUrl(url: string): RedisTarget {
  const socket = SOCKET_FORM.exec(url)
  if (socket !== null) {
    const [, userinfo, path = '', query] = socket
    const { db, sni } = parseQuery(query)
    if (sni !== undefined) throw new Error('?sni= in the Redis URL requires TLS')
    const topology = { kind: 'socket', path: decode(path, 'path') } as const
    return { tls: false, ...parseUserinfo(userinfo), topology, database: parseDatabase(db) }
  }
  const parts = URL_FORM.exec(url)
  if (parts === null) {
    throw new Error(
      'the Redis URL must look like redis://HOST:PORT/DB, redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DB, ' +
        'redis+cluster://HOST:PORT,HOST:PORT (rediss for TLS) or redis+unix:///PATH?db=DB; ' +
        'percent-encode special characters of the password',
    )
  }
  const [, scheme, suffix, userinfo, hosts = '', path = '', query] = parts
  const { db, sni } = parseQuery(query)
  const tls = scheme === 'rediss' || scheme === 'valkeys'
  if (sni !== undefined && !tls) throw new Error('?sni= in the Redis URL requires TLS')
  const common = { tls, ...(sni !== undefined && { serverName: sni }), ...parseUserinfo(userinfo) }
  const segments = path.split('/').slice(1)
  if (suffix === '+sentinel') {
    const [master, inPath, ...rest] = segments
    if (!master || rest.length > 0) {
      throw new Error('a Redis Sentinel URL ends in /MASTER or /MASTER/DB')
    }
    const sentinels = parseNodes(hosts, SENTINEL_PORT)
    return {
      ...common,
      topology: { kind: 'sentinel', sentinels, master: decode(master, 'master') },
      database: parseDatabase(inPath, db),
    }
  }
  if (hosts === '' && suffix === undefined && /^\/[^/]*[^/\d]/.test(path)) {
    throw new Error('the URL of a unix socket is redis+unix:///PATH?db=DB')
  }
  const database = parseDatabase(segments[0], db)
  if (segments.length > 1) throw new Error('the path of a Redis URL must be a database number')
  const nodes = parseNodes(hosts, REDIS_PORT)
  if (suffix === '+cluster') return { ...common, topology: { kind: 'cluster', nodes }, database }
  const [node, ...others] = nodes
  if (node === undefined || others.length > 0) {
    throw new Error('a redis:// URL names one host; use redis+sentinel:// or redis+cluster://')
  }
  return { ...common, topology: { kind: 'standalone', node }, database }
}

/** Tests the scheme, for rules about combinations of settings. */
export const isSentinelUrl = (url: string): boolean => /^[a-z]+\+sentinel:/.test(url)
export const isClusterUrl = (url: string): boolean => /^[a-z]+\+cluster:/.test(url)
export const hasRedisTls = (url: string): boolean => /^(?:rediss|valkeys)[+:]/.test(url)

function parseUserinfo(userinfo: string | undefined): { username?: string; password?: Secret } {
  if (!userinfo) return {}
  const colon = userinfo.indexOf(':')
  const username = decode(colon < 0 ? userinfo : userinfo.slice(0, colon), 'user name')
  const password = colon < 0 ? '' : decode(userinfo.slice(colon + 1), 'password')
  return {
    ...(username !== '' && { username }),
    ...(password !== '' && { password: new Secret(password) }),
  }
}

function parseQuery(query: string | undefined): { readonly db?: string; readonly sni?: string } {
  const found: { db?: string; sni?: string } = {}
  for (const part of query ? query.split('&') : []) {
    const [name = '', value = ''] = part.split('=', 2)
    if (name !== 'db' && name !== 'sni') {
      throw new Error(
        'the Redis URL must look like redis://HOST:PORT/DB?sni=NAME: its query may only have db and sni',
      )
    }
    if (found[name] !== undefined) throw new Error(`the Redis URL gives ${name} twice`)
    if (name === 'sni' && !HOST_NAME.test(value)) {
      throw new Error('sni in the Redis URL must be a host name')
    }
    found[name] = value
  }
  return found
}

function parseNodes(hosts: string, defaultPort: number): readonly RedisNode[] {
  return hosts.split(',').map((text) => {
    const node = parseNode(text, defaultPort)
    if (node === undefined) {
      throw new Error('the Redis URL needs HOST or HOST:PORT, comma-separated if there are several')
    }
    return node
  })
}

/** `HOST`, `HOST:PORT`, `[IPV6]:PORT`. */
export function parseNode(text: string, defaultPort: number): RedisNode | undefined {
  const parts = NODE_FORM.exec(text)
  const host = parts?.[1] ?? parts?.[2]
  const port = Number(parts?.[3] ?? defaultPort)
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port }
}

function parseDatabase(inPath: string | undefined, inQuery?: string): number {
  if (inPath && inQuery !== undefined) throw new Error('the Redis URL gives the database twice')
  const text = inPath || inQuery
  if (text === undefined || text === '') return 0
  if (!/^\d{1,5}$/.test(text)) throw new Error('the database in the Redis URL must be a number')
  return Number(text)
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // The text and the URIError may contain a password.
    throw new Error(`the ${part} in the Redis URL is not percent-encoded correctly`)
  }
}
