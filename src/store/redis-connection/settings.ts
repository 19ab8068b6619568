/** Where Redis is and what opens it: read anew for each connection, for passwords and certificates are changed under a running process. */
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { Secret } from '../../crypto/secret.ts'
import { parseRedisUrl, type RedisTarget } from './url.ts'

export interface RedisSettingsOptions {
  /** See `redis-url.ts`. May hold a password. */
  readonly url: Secret
  /** File that holds the URL; read again at each connection. */
  readonly urlFile?: string
  readonly sentinelPassword?: Secret
  /** File that holds it; read again at each connection. */
  readonly sentinelPasswordFile?: string
  /** PEM file with the CA of `rediss://`. */
  readonly caFile?: string
  /** PEM files with the certificate by which this service proves itself to Redis, and its key. */
  readonly certFile?: string
  readonly keyFile?: string
}

export interface RedisSettings {
  readonly target: RedisTarget
  readonly sentinelPassword?: Secret
  /** Absent: no TLS. */
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername'>
}

export interface RedisSettingsSource {
  /** As they were read last. */
  current(): RedisSettings
  /** Reads them again. Where that fails, throws, and the former ones stay; an {@link OtherKindError} where the URL is for another kind of Redis. */
  renew(): Promise<void>
}

/** What the URL names now needs another start: a Cluster in place of one server, say. */
export class OtherKindError extends Error {}

/** Throws an `Error` that says what is wrong, without the URL. */
export async function createRedisSettings(
  options: RedisSettingsOptions,
): Promise<RedisSettingsSource> {
  let current = await read({ ...options, urlFile: undefined, sentinelPasswordFile: undefined })
  return {
    current: () => current,
    async renew() {
      const next = await read(options)
      // What may be done with a store was decided by it at the start.
      if (next.target.topology.kind !== current.target.topology.kind) {
        throw new OtherKindError('the URL of Redis is of another kind than at the start')
      }
      current = next
    },
  }
}

type Given = {
  readonly [Name in keyof RedisSettingsOptions]?: RedisSettingsOptions[Name] | undefined
}

async function read(options: Given & Pick<RedisSettingsOptions, 'url'>): Promise<RedisSettings> {
  const [url, password, ca, cert, key] = await Promise.all([
    textOf(options.urlFile, 'URL'),
    textOf(options.sentinelPasswordFile, 'password of the Sentinels'),
    textOf(options.caFile, 'CA'),
    textOf(options.certFile, 'certificate'),
    textOf(options.keyFile, 'key'),
  ])
  const target = parseRedisUrl(url === undefined ? options.url.reveal() : withoutEnd(url))
  const sentinelPassword =
    password === undefined ? options.sentinelPassword : new Secret(withoutEnd(password))
  const material = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  }
  checkMaterial(material)
  return {
    target,
    ...(sentinelPassword && { sentinelPassword }),
    ...(target.tls && {
      tls: {
        ...material,
        ...(target.serverName !== undefined && { servername: target.serverName }),
      },
    }),
  }
}

const withoutEnd = (text: string) => text.replace(/[\r\n]+$/, '')

async function textOf(path: string | undefined, what: string): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException
    throw new Error(`the ${what} of Redis cannot be read: ${path} (${code})`, { cause })
  }
}

/** What OpenSSL says of a key may hold parts of it. */
function checkMaterial(material: RedisSettings['tls'] & object): void {
  try {
    createSecureContext(material)
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw new Error(`the certificate, the key or the CA for Redis cannot be used (${code})`)
  }
}

/** For one server. Node sends no server name (RFC 6066, section 3) unless it is told which, and whoever routes by it must have one. */
export function tlsFor({ tls }: RedisSettings, host: string): RedisSettings['tls'] {
  if (tls === undefined || tls.servername !== undefined || isIP(host) > 0) return tls
  return { ...tls, servername: host }
}
