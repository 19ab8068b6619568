/** Parsers of settings. Mistakes never contain the text, which may be a secret. */
import { isIP } from 'node:net'
import { parseKeyring } from '../crypto/keyring-text.ts'
import { Secret } from '../crypto/secret.ts'
import { type AddressRange, addressRangeOf } from '../http/address-range.ts'
import { isNetwork } from '../http/networks.ts'
import { loginHostMistakes } from '../http/outbound/login-host.ts'
import { type NatMap, parseNatMap } from '../store/redis-connection/endpoints.ts'
import { parseRedisUrl } from '../store/redis-connection/url.ts'

export type SettingReading<Value> =
  | { readonly value: Value }
  | { readonly mistakes: readonly string[] }

export type Reader<Value> = (text: string) => SettingReading<Value>

const ADMIN_KEY = /^[\x21-\x7e]{32,512}$/
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*$/
const REDIS_PREFIX = /^[A-Za-z0-9:._-]{1,64}$/
const WEBHOOK_SECRET = /^(?:whsec_)?([A-Za-z0-9+/]+={0,2})$/
const LOOPBACK = /^(?:localhost|\[::1\]|127(?:\.[0-9]{1,3}){3})$/

const wrong = (...mistakes: readonly string[]) => ({ mistakes })
const checked = <Value>(mistakes: readonly string[], value: Value): SettingReading<Value> =>
  mistakes.length > 0 ? { mistakes } : { value }
const entries = (text: string) => text.split(',').map((entry) => entry.trim())

export const wholeNumber =
  (min: number, max: number): Reader<number> =>
  (text) => {
    const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN
    return value >= min && value <= max
      ? { value }
      : wrong(`must be a whole number from ${min} to ${max}`)
  }

export const port = wholeNumber(0, 65_535)

/** Whole seconds in the setting, milliseconds in the code. */
export const secondsAsMs =
  (min: number, max: number): Reader<number> =>
  (text) => {
    const seconds = wholeNumber(min, max)(text)
    return 'value' in seconds ? { value: seconds.value * 1_000 } : seconds
  }

export const oneOf =
  <const Value extends string>(...values: readonly Value[]): Reader<Value> =>
  (text) => {
    const value = values.find((known) => known === text)
    return value === undefined ? wrong(`must be one of ${values.join(', ')}`) : { value }
  }

export const onOff: Reader<boolean> = (text) => {
  const word = oneOf('on', 'off')(text)
  return 'value' in word ? { value: word.value === 'on' } : word
}

export const anyText: Reader<string> = (text) => ({ value: text })

export const path: Reader<string> = (text) =>
  text.includes('\0') ? wrong('must be a path') : { value: text }

export const listenHost: Reader<string> = (text) =>
  isIP(text) > 0 || HOST_NAME.test(text)
    ? { value: text }
    : wrong('must be an IP address (IPv6 without brackets) or a host name')

export const redisPrefix: Reader<string> = (text) =>
  REDIS_PREFIX.test(text)
    ? { value: text }
    : wrong('must be 1 to 64 letters, digits, colons, dots, dashes or _')

export const redisUrl: Reader<Secret> = (text) => {
  try {
    parseRedisUrl(text)
    return { value: new Secret(text) }
  } catch (error) {
    return wrong(error instanceof Error ? error.message : 'is not a Redis URL')
  }
}

export const natMap: Reader<NatMap> = (text) => {
  try {
    return { value: parseNatMap(text) }
  } catch (error) {
    return wrong(error instanceof Error ? error.message : 'is not a map of addresses')
  }
}

export const anySecret: Reader<Secret> = (text) => ({ value: new Secret(text) })

export const keyring: Reader<Secret> = (text) => {
  const parsed = parseKeyring(text)
  return checked('mistakes' in parsed ? parsed.mistakes : [], new Secret(text))
}

export const adminKeys: Reader<readonly Secret[]> = (text) => {
  const keys = entries(text)
  const mistakes = keys.flatMap((key, index) =>
    ADMIN_KEY.test(key) ? [] : [`key ${index + 1} must be 32 to 512 visible ASCII characters`],
  )
  if (keys.length > 2) mistakes.push('may have at most two keys')
  return checked(
    mistakes,
    keys.map((key) => new Secret(key)),
  )
}

export const loginHosts: Reader<readonly string[]> = (text) => {
  const hosts = entries(text)
  return checked(loginHostMistakes(hosts), hosts)
}

export const cidrs: Reader<readonly string[]> = (text) => {
  const blocks = entries(text)
  const mistakes = blocks.flatMap((block, index) =>
    isNetwork(block) ? [] : [`entry ${index + 1} must be an IP address or a CIDR like 10.0.0.0/8`],
  )
  return checked(mistakes, blocks)
}

/** Salesforce's limit for one list. */
const MOST_RANGES = 128

export const addressRanges: Reader<readonly AddressRange[]> = (text) => {
  const ranges = entries(text).map(addressRangeOf)
  const mistakes = ranges.flatMap((range, index) =>
    range ? [] : [`entry ${index + 1} must be an IP address, or two like 192.0.2.1-192.0.2.9`],
  )
  if (ranges.length > MOST_RANGES) mistakes.push(`may have at most ${MOST_RANGES} entries`)
  return checked(
    mistakes,
    ranges.flatMap((range) => range ?? []),
  )
}

/** Normalises an https origin. Allows http only on loopback. */
export const publicOrigin: Reader<string> = (text) => {
  const url = URL.parse(text)
  return url !== null && isSafeUrl(url) && url.pathname === '/' && !/[?#]/.test(text)
    ? { value: url.origin }
    : wrong('must be an https origin like https://valetkey.example.com (http on loopback only)')
}

/** A secret, because webhook URLs often contain one in the path. */
export const webhookUrl: Reader<Secret> = (text) => {
  const url = URL.parse(text)
  return url !== null && isSafeUrl(url) && url.hash === ''
    ? { value: new Secret(text) }
    : wrong('must be an https URL without user name and fragment (http on loopback only)')
}

/** Standard Webhooks: 24 to 64 bytes in base64, with an optional `whsec_` prefix. */
const isWebhookSecret = (text: string): boolean => {
  const bytes = Buffer.from(WEBHOOK_SECRET.exec(text)?.[1] ?? '', 'base64').byteLength
  return bytes >= 24 && bytes <= 64
}

export const webhookSecrets: Reader<readonly Secret[]> = (text) => {
  const secrets = entries(text)
  if (!secrets.every(isWebhookSecret)) {
    return wrong('must be whsec_ and 24 to 64 bytes in base64; at most two, separated by a comma')
  }
  if (secrets.length > 2) return wrong('may have at most two secrets')
  return { value: secrets.map((secret) => new Secret(secret)) }
}

/** A secret, because it may contain the password of the proxy. */
export const proxyUrl: Reader<Secret> = (text) => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.hostname !== ''
    ? { value: new Secret(text) }
    : wrong('must be a URL like http://proxy.example.com:3128')
}

/** Any host, because the data is not secret. */
export const httpUrl: Reader<string> = (text) => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && !url.username && !/[?#]/.test(text)
    ? { value: text }
    : wrong('must be an http or https URL without user name, query and fragment')
}

export const ratio: Reader<number> = (text) => {
  const value = /^[0-9]*\.?[0-9]+$/.test(text) ? Number(text) : Number.NaN
  return value >= 0 && value <= 1 ? { value } : wrong('must be a number from 0 to 1')
}

/** W3C Baggage: `name=value`, percent-encoded. */
export const pairs: Reader<Readonly<Record<string, string>>> = (text) => {
  const found: (readonly [string, string])[] = []
  for (const [index, entry] of entries(text).entries()) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(.*)$/.exec(entry) ?? []
    const decoded = value === undefined ? undefined : percentDecoded(value)
    if (name === undefined || decoded === undefined) {
      return wrong(`entry ${index + 1} must be name=value, percent-encoded`)
    }
    found.push([name, decoded])
  }
  return { value: Object.freeze(Object.fromEntries(found)) }
}

export const secretPairs: Reader<Readonly<Record<string, Secret>>> = (text) => {
  const found = pairs(text)
  if (!('value' in found)) return found
  const secrets = Object.entries(found.value).map(([name, value]) => [name, new Secret(value)])
  return { value: Object.freeze(Object.fromEntries(secrets)) }
}

function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function isSafeUrl(url: URL): boolean {
  const isLoopback = url.protocol === 'http:' && LOOPBACK.test(url.hostname)
  return (url.protocol === 'https:' || isLoopback) && url.username === '' && url.password === ''
}
