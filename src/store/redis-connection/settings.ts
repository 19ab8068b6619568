/**
 * Settings of the Redis connection. They are read again at each connection, because passwords and
 * certificates change while the process runs.
 */
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { Secret } from '../../crypto/secret.ts'
import { parseRedisUrl, type RedisTarget } from './url.ts'

export interface RedisSettingsOptions {
  /** See `url.ts`. May contain a password. */
  readonly url: Secret
  /** File with the URL; read again at each connection. */
  readonly urlFile?: string
  readonly sentinelPassword?: Secret
  /** File with the password; read again at each connection. */
  readonly sentinelPasswordFile?: string
  /** PEM file with the CA of `rediss://`. */
  readonly caFile?: string
  /** PEM files with the client certificate and its key. */
  readonly certFile?: string
  readonly keyFile?: string
}

interface RedisSettings {
  readonly target: RedisTarget
  readonly sentinelPassword?: Secret
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername'>
}

export interface RedisSettingsSource {
  current(): RedisSettings
  /**
   * Reads the settings again. Throws on failure and keeps the former ones; throws an {@link
   * OtherKindError} if the URL names another kind of Redis.
   */
  renew(): Promise<void>
}

/** The new URL requires a restart, for example a Cluster instead of one server. */
export class OtherKindError extends Error {}

/** Throws an `Error` that explains the mistake without the URL. */
export async function createRedisSettings(
  options: RedisSettingsOptions,
): Promise<RedisSettingsSource> {
  let current = await read({ ...options, urlFile: undefined, sentinelPasswordFile: undefined })
  return {
    current: () => current,
    async renew() {
      const next = await read(options)
      // The features of the store were chosen for the first kind.
      if (next.target.topology.kind !== current.target.topology.kind) {
        throw new OtherKindError('the URL of Redis names another kind than at the start')
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

/** Errors of OpenSSL may contain parts of a key, so only the code is used. */
function checkMaterial(material: RedisSettings['tls'] & object): void {
  try {
    createSecureContext(material)
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw new Error(`the certificate, the key or the CA for Redis cannot be used (${code})`)
  }
}

/** Sets the server name, because Node sends none (RFC 6066, section 3) by default and a proxy may require it. */
export function tlsFor({ tls }: RedisSettings, host: string): RedisSettings['tls'] {
  if (tls === undefined || tls.servername !== undefined || isIP(host) > 0) return tls
  return { ...tls, servername: host }
}
