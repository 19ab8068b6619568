/** Fetches the JWKS of an issuer, whose URL is in the settings or discovered. */
import type { JSONWebKeySet } from 'jose'
import type { Outbound } from '../../http/outbound/outbound.ts'
import { within } from '../../runtime/timeout.ts'
import type { IssuerSettings } from '../caller-entry.ts'

interface KeySourceDependencies {
  /** `ca` is trusted in addition to the well-known CAs. */
  readonly createOutbound: (ca: string | undefined) => Outbound
  readonly readFile: (path: string) => Promise<string>
  readonly monotonic: () => number
}

/** Why there are no keys, for the log. */
type KeySourceCode =
  | 'ISSUER_UNREACHABLE'
  | 'ISSUER_STATUS'
  | 'ISSUER_ANSWER_INVALID'
  | 'ISSUER_DIFFERS'
  | 'ISSUER_URL_REFUSED'
  | 'ISSUER_FILE_UNREADABLE'
  | 'ISSUER_KEYS_EMPTY'

const DEADLINE_MS = 5_000
/** A discovered URL of the keys is discovered again after this time, or when it fails. */
const DISCOVERY_MS = 3_600_000
const KEYS_MAX = 100
const KEY_TYPES = ['RSA', 'EC', 'OKP']

/** What is wrong with the URL of an issuer or of its keys. Undefined: nothing. Plain http is only for loopback. */
export function issuerUrlMistake(text: string): string | undefined {
  const url = URL.parse(text)
  if (!url) return 'must be a URL'
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url))) {
    return 'must be https; plain http is for loopback only'
  }
  if (url.username !== '' || url.password !== '') return 'must not have a user name or password'
  return url.hash === '' ? undefined : 'must not have a fragment'
}

export const isLoopback = ({ hostname }: URL): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(hostname)

export function createKeySource(
  settings: IssuerSettings,
  { createOutbound, readFile, monotonic }: KeySourceDependencies,
) {
  let way: { readonly ca: string | undefined; readonly outbound: Outbound } | undefined
  let discovered: { readonly url: string; readonly at: number } | undefined

  const read = async (path: string): Promise<string> => {
    try {
      return (await readFile(path)).trim()
    } catch (cause) {
      throw unusable('ISSUER_FILE_UNREADABLE', cause)
    }
  }

  /** A renewed CA needs new connections. */
  const outboundNow = async (): Promise<Outbound> => {
    const ca = settings.caFile === undefined ? undefined : await read(settings.caFile)
    if (way && way.ca === ca) return way.outbound
    await way?.outbound.close()
    way = { ca, outbound: createOutbound(ca) }
    return way.outbound
  }

  const get = async (text: string, signal: AbortSignal): Promise<Record<string, unknown>> => {
    if (issuerUrlMistake(text) !== undefined) throw unusable('ISSUER_URL_REFUSED')
    const token = await tokenFor(text)
    const outbound = await outboundNow()
    const outcome = await outbound.send({
      url: text,
      headers: {
        accept: 'application/json, application/jwk-set+json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      signal,
      repeatable: true,
    })
    if (!outcome.ok) throw unusable('ISSUER_UNREACHABLE', outcome.cause)
    if (outcome.status !== 200) throw unusable('ISSUER_STATUS')
    return objectIn(outcome.body)
  }

  /** The token is sent to the host in the settings, and never to a host that an answer names. */
  const tokenFor = async (text: string): Promise<string | undefined> => {
    if (settings.tokenFile === undefined) return undefined
    const { origin } = new URL(text)
    const own = [settings.issuer, settings.jwksUri ?? settings.issuer]
    if (!own.some((url) => new URL(url).origin === origin)) return undefined
    const token = await read(settings.tokenFile)
    if (!/^[\x21-\x7e]+$/.test(token)) throw unusable('ISSUER_FILE_UNREADABLE')
    return token
  }

  const keysUrl = async (signal: AbortSignal): Promise<string> => {
    if (settings.jwksUri !== undefined) return settings.jwksUri
    if (discovered && monotonic() - discovered.at < DISCOVERY_MS) return discovered.url
    const base = settings.issuer.replace(/\/$/, '')
    const found = await get(`${base}/.well-known/openid-configuration`, signal)
    if (found.issuer !== settings.issuer) throw unusable('ISSUER_DIFFERS')
    if (typeof found.jwks_uri !== 'string') throw unusable('ISSUER_ANSWER_INVALID')
    discovered = { url: found.jwks_uri, at: monotonic() }
    return discovered.url
  }

  return {
    /** Makes one attempt, at most 5 s. Rejects with an error whose `code` is a {@link KeySourceCode}. */
    async fetch(stop: AbortSignal): Promise<JSONWebKeySet> {
      const late = () => {
        throw unusable('ISSUER_UNREACHABLE')
      }
      const look = async (signal: AbortSignal) => ({
        keys: usableKeys(await get(await keysUrl(signal), signal)),
      })
      try {
        return await within(DEADLINE_MS, look, { signal: stop, late })
      } catch (error) {
        discovered = undefined
        throw error
      }
    },
    async close(): Promise<void> {
      await way?.outbound.close()
    },
  }
}

/** The error contains nothing of the issuer's answer. */
const unusable = (code: KeySourceCode, cause?: unknown): Error =>
  Object.assign(new Error(code, { cause }), { code })

function objectIn(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString())
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch (cause) {
    throw unusable('ISSUER_ANSWER_INVALID', cause)
  }
  throw unusable('ISSUER_ANSWER_INVALID')
}

/** Public keys that can verify signatures. A set without such keys is refused. */
function usableKeys(set: Record<string, unknown>): JSONWebKeySet['keys'] {
  if (!Array.isArray(set.keys) || set.keys.length > KEYS_MAX) {
    throw unusable('ISSUER_ANSWER_INVALID')
  }
  const usable = set.keys.filter(
    (key) =>
      typeof key === 'object' &&
      key !== null &&
      KEY_TYPES.includes(key.kty) &&
      key.d === undefined &&
      (key.use === undefined || key.use === 'sig'),
  )
  if (usable.length === 0) throw unusable('ISSUER_KEYS_EMPTY')
  return usable
}
