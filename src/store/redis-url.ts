import { Secret } from '../crypto/secret.ts'

/** Where Redis is, as the URL says. */
export interface RedisTarget {
  readonly topology:
    | { readonly kind: 'standalone'; readonly node: RedisNode }
    | {
        readonly kind: 'sentinel'
        readonly sentinels: readonly RedisNode[]
        readonly master: string
      }
    | { readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] }
  readonly tls: boolean
  readonly username?: string
  readonly password?: Secret
  /** 0 in a Cluster. */
  readonly database: number
}

export interface RedisNode {
  readonly host: string
  readonly port: number
}

const URL_FORM = /^(redis|rediss)(\+sentinel|\+cluster)?:\/\/(?:(.*)@)?([^/?#@]*)(\/[^?#]*)?$/s
const NODE_FORM = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/
const REDIS_PORT = 6379
const SENTINEL_PORT = 26379

/**
 * Reads `redis://`, `redis+sentinel://h1:26379,h2:26379/MASTER/DB`, `redis+cluster://h1,h2`, and
 * the same with `rediss`. Throws an `Error` that says what is wrong without repeating the URL,
 * which may hold a password.
 */
export function parseRedisUrl(url: string): RedisTarget {
  const parts = URL_FORM.exec(url)
  if (parts === null) {
    throw new Error(
      'the Redis URL must look like redis://HOST:PORT/DB, redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DB ' +
        'or redis+cluster://HOST:PORT,HOST:PORT (rediss for TLS), without query; ' +
        'percent-encode special characters of the password',
    )
  }
  const [, scheme, suffix, userinfo, hosts = '', path = ''] = parts
  const segments = path.split('/').slice(1)
  const common = { tls: scheme === 'rediss', ...parseUserinfo(userinfo) }
  if (suffix === '+sentinel') {
    const [master, database, ...rest] = segments
    if (!master || rest.length > 0) {
      throw new Error('a Redis Sentinel URL ends in /MASTER or /MASTER/DB')
    }
    const sentinels = parseNodes(hosts, SENTINEL_PORT)
    return {
      ...common,
      topology: { kind: 'sentinel', sentinels, master: decode(master, 'master') },
      database: parseDatabase(database),
    }
  }
  const database = parseDatabase(segments[0])
  if (segments.length > 1) throw new Error('the path of a Redis URL is a database number alone')
  const nodes = parseNodes(hosts, REDIS_PORT)
  if (suffix === '+cluster') {
    if (database !== 0) throw new Error('a Redis Cluster has database 0 alone')
    return { ...common, topology: { kind: 'cluster', nodes }, database }
  }
  const [node, ...others] = nodes
  if (node === undefined || others.length > 0) {
    throw new Error('a redis:// URL names one host; use redis+sentinel:// or redis+cluster://')
  }
  return { ...common, topology: { kind: 'standalone', node }, database }
}

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

function parseNodes(hosts: string, defaultPort: number): readonly RedisNode[] {
  return hosts.split(',').map((text) => {
    const parts = NODE_FORM.exec(text)
    const host = parts?.[1] ?? parts?.[2]
    const port = Number(parts?.[3] ?? defaultPort)
    if (host === undefined || port < 1 || port > 65_535) {
      throw new Error(
        'the Redis URL needs HOST or HOST:PORT, comma-separated where it names several',
      )
    }
    return { host, port }
  })
}

function parseDatabase(text: string | undefined): number {
  if (text === undefined || text === '') return 0
  if (!/^\d{1,5}$/.test(text)) throw new Error('the database in the Redis URL must be a number')
  return Number(text)
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // The text may be a password, and so may what the URIError carries.
    throw new Error(`the ${part} in the Redis URL is not percent-encoded correctly`)
  }
}
