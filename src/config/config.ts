/** Reads the configuration of the process from the environment and validates all settings. */

import { hasRedisTls, isClusterUrl, isSentinelUrl } from '../store/redis-connection/url.ts'
import { ConfigError } from './config-error.ts'
import type { SettingReading } from './reader.ts'
import { SETTINGS, type Setting, type SettingName, type Settings } from './setting.ts'
import { isServiceLink, unknownVariables } from './variable-name.ts'

export interface Config extends Settings {
  /** The files of secrets by setting. The content of such a file may change. */
  readonly files: { readonly [Name in SettingName]?: string }
}

export type Environment = Readonly<Record<string, string | undefined>>

export interface ConfigFiles {
  /** Reads a file that a `_FILE` variable names. Throws if it cannot be read. */
  readFile(path: string): string
  /** Whether the configuration file gives a caller `api-keys:write`, so that no admin key is needed. Default: no. */
  makesApiKeys?(path: string): boolean
  /** Whether an admin key is required. False for commands that do not serve. Default: true. */
  readonly needsAdmin?: boolean
}

/**
 * An empty variable counts as unset. Throws {@link ConfigError} with every mistake in single
 * settings, in combinations of settings, and in names of `VALETKEY_` variables.
 */
export function readConfig(env: Environment, files: ConfigFiles): Config {
  const mistakes: string[] = []
  const given = new Set<SettingName>()
  const values: Partial<Record<SettingName, unknown>> = {}
  const paths: Partial<Record<SettingName, string>> = {}
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const setting: Setting<unknown> = SETTINGS[name]
    const found = find(setting, env, files)
    if (found !== undefined) given.add(name)
    const path = setting.secret ? env[`${setting.variable}_FILE`] : undefined
    if (path) paths[name] = path
    const reading = found ?? { value: setting.unset }
    if ('mistakes' in reading) mistakes.push(...reading.mistakes)
    const value = 'value' in reading ? reading.value : setting.unset
    values[name] = Array.isArray(value) ? Object.freeze(value) : value
  }
  const config = Object.freeze({ ...values, files: Object.freeze(paths) } as Config)
  mistakes.push(
    ...conflicts(config, given, files),
    ...unknownVariables(env, files.needsAdmin !== false),
  )
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  return config
}

function find<Value>(
  { variable, secret, alias, read }: Setting<Value>,
  env: Environment,
  files: ConfigFiles,
): SettingReading<Value> | undefined {
  const direct = env[variable] || (alias === undefined ? undefined : env[alias]) || undefined
  const twin = secret ? `${variable}_FILE` : undefined
  const path = (twin === undefined ? undefined : env[twin]) || undefined
  if (twin === undefined || path === undefined) {
    if (direct === undefined) return undefined
    if (variable === SETTINGS.port.variable && isServiceLink(variable, direct)) {
      const cure = 'set it to a number, or enableServiceLinks to false in the pod'
      return { mistakes: [`${variable}: comes from a Kubernetes Service with this name; ${cure}`] }
    }
    return prefixed(variable, read(direct))
  }
  if (direct !== undefined) return { mistakes: [`${variable}: is set, and so is ${twin}`] }
  const text = contentOf(path, files)
  if (typeof text !== 'string') return { mistakes: [`${twin}: cannot be read (${text.code})`] }
  if (text === '') return { mistakes: [`${twin}: the file is empty`] }
  return prefixed(twin, read(text))
}

function prefixed<Value>(variable: string, reading: SettingReading<Value>): SettingReading<Value> {
  if ('value' in reading) return reading
  return { mistakes: reading.mistakes.map((mistake) => `${variable}: ${mistake}`) }
}

/** The content without trailing line breaks, or the error code. Excludes the path, which may be a secret by mistake. */
function contentOf(path: string, files: ConfigFiles): string | { readonly code: string } {
  try {
    return files.readFile(path).replace(/[\r\n]+$/, '')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return { code: typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : 'unknown' }
  }
}

function conflicts(config: Config, given: ReadonlySet<SettingName>, files: ConfigFiles) {
  const name = (setting: SettingName) => SETTINGS[setting].variable
  const needs = (setting: SettingName, other: SettingName) =>
    given.has(setting) && !given.has(other) ? [`${name(setting)}: needs ${name(other)}`] : []
  const redisUrl = config.redisUrl?.reveal()
  const found = [
    ...needs('tlsCertFile', 'tlsKeyFile'),
    ...needs('tlsKeyFile', 'tlsCertFile'),
    ...needs('tlsClientCaFile', 'tlsCertFile'),
    ...needs('webhookUrl', 'webhookSecrets'),
    ...needs('webhookSecrets', 'webhookUrl'),
    ...needs('redisCaFile', 'redisUrl'),
    ...needs('redisSentinelPassword', 'redisUrl'),
    ...needs('redisNatMap', 'redisUrl'),
    ...needs('redisCertFile', 'redisUrl'),
    ...needs('redisCertFile', 'redisKeyFile'),
    ...needs('redisKeyFile', 'redisCertFile'),
  ]
  if (config.metricsPort !== 0 && config.metricsPort === config.port) {
    found.push(`${name('metricsPort')}: is also the port of the API`)
  }
  if (given.has('redisUrl') && !given.has('keyring')) {
    found.push(
      `${name('keyring')}: is required with ${name('redisUrl')}; valetkey keygen creates one`,
    )
  }
  const { configFile } = config
  const canMakeKeys =
    given.has('adminKeys') ||
    (configFile !== undefined && (files.makesApiKeys?.(configFile) ?? false))
  if (given.has('redisUrl') && !canMakeKeys && (files.needsAdmin ?? true)) {
    const unless = `unless a caller of ${name('configFile')} has api-keys:write`
    found.push(`${name('adminKeys')}: is required with ${name('redisUrl')} ${unless}`)
  }
  if (redisUrl !== undefined) found.push(...redisConflicts(redisUrl, given))
  return found
}

function redisConflicts(url: string, given: ReadonlySet<SettingName>): readonly string[] {
  const unless = (isFit: boolean, setting: SettingName, needed: string) =>
    given.has(setting) && !isFit ? [`${SETTINGS[setting].variable}: needs ${needed}`] : []
  const tls = 'a rediss URL: this URL has no TLS'
  return [
    ...unless(hasRedisTls(url), 'redisCaFile', tls),
    ...unless(hasRedisTls(url), 'redisCertFile', tls),
    ...unless(isSentinelUrl(url), 'redisSentinelPassword', 'a Sentinel URL'),
    ...unless(
      isSentinelUrl(url) || isClusterUrl(url),
      'redisNatMap',
      'a Sentinel or a Cluster URL: only these announce addresses',
    ),
  ]
}
