import { decodeJwt } from 'jose'
import { Secret } from '../../crypto/secret.ts'
import type { KeyBinding } from '../../dpop/binding.ts'
import type { StoredDpopKey } from '../../dpop/dpop-key.ts'

import type { SignedPart } from './answer-signature.ts'
import { badAnswer, type JsonObject } from './salesforce-answer.ts'

/** A normalised token response of Salesforce. Times are epoch milliseconds. */
export interface TokenAnswer {
  /** The login URL, or the instance at which the token was exchanged. The token is revoked there only. */
  readonly issuer: string
  /** Visible ASCII without spaces. */
  readonly accessToken: Secret
  /** An https origin on a domain of Salesforce or on a host of `VALETKEY_LOGIN_HOSTS`; no trailing slash. */
  readonly instanceUrl: string
  readonly apiInstanceUrl?: string
  readonly scope?: string
  readonly issuedAt?: number
  /** Whole seconds, if Salesforce sends them. */
  readonly expiresInSeconds?: number
  /** The `exp` of a token in JWT format. */
  readonly tokenExpiresAt?: number
  readonly identityUrl?: string
  /** 15 or 18 characters, from the identity URL. */
  readonly orgId?: string
  readonly userId?: string
  /** The part that Salesforce signed with the consumer secret, if present. */
  readonly signed?: SignedPart
  /** The new refresh token, if Salesforce rotated it. */
  readonly refreshToken?: Secret
  /** Present if the request had a DPoP proof. */
  readonly dpop?: KeyBinding
}

/** The answer of token introspection. */
export interface Introspection {
  readonly active: boolean
  /** Epoch milliseconds, if Salesforce sends them. */
  readonly expiresAt?: number
}

/** A validated token response of Salesforce. Members that are not needed may be invalid. */
interface CheckedAnswer {
  /** The members of the standard with the types of the standard, as oauth4webapi expects. */
  readonly standard: Record<string, string | number>
  readonly answer: Omit<TokenAnswer, 'issuer'>
}

interface InstanceRules {
  checkInstanceUrl(text: string): string | undefined
}

const VISIBLE_ASCII = /^[!-~]+$/
/** Ten years. A larger value is not a lifetime in seconds. */
const LONGEST_LIFETIME_SECONDS = 315_360_000
const EARLIEST_ISSUED_AT = Date.UTC(2001, 0)
const LATEST_ISSUED_AT = Date.UTC(2100, 0)
const IDENTITY_PATH =
  /\/id\/(00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?)\/(005[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?)$/

/** `dpopKey`: signed a proof of the request, so the token may be bound to it. Throws `token_response_invalid`. The detail names the member, never its value. */
export function checkTokenAnswer(
  body: JsonObject,
  hosts: InstanceRules,
  dpopKey?: StoredDpopKey,
): CheckedAnswer {
  const accessToken = body.access_token
  if (typeof accessToken !== 'string' || accessToken === '') {
    throw badAnswer('The answer has no access_token.')
  }
  if (!VISIBLE_ASCII.test(accessToken)) {
    throw badAnswer('The access_token contains invalid characters.')
  }
  const isBound = isBoundType(body.token_type ?? 'Bearer', dpopKey !== undefined)
  const instanceUrl = allowedUrl(body, 'instance_url', hosts)
  if (instanceUrl === undefined) throw badAnswer('The answer has no instance_url.')
  const refreshToken = refreshTokenOf(body.refresh_token)
  const expiresInSeconds = expiresInOf(body.expires_in)
  const scope = typeof body.scope === 'string' && body.scope !== '' ? body.scope : undefined
  return {
    standard: {
      access_token: accessToken,
      token_type: 'Bearer',
      ...withoutMissing({ scope, expires_in: expiresInSeconds, refresh_token: refreshToken }),
    },
    answer: {
      accessToken: new Secret(accessToken),
      instanceUrl,
      ...withoutMissing({
        apiInstanceUrl: allowedUrl(body, 'api_instance_url', hosts),
        scope,
        issuedAt: issuedAtOf(body.issued_at),
        expiresInSeconds,
        tokenExpiresAt: tokenExpiryOf(accessToken),
        refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken),
        signed: signedPartOf(body),
        dpop: dpopKey && (isBound ? { key: dpopKey } : {}),
      }),
      ...identityOf(body.id, hosts),
    },
  }
}

/** Salesforce has been seen to write `DPoP` and `dpop`. */
function isBoundType(type: unknown, isProven: boolean): boolean {
  const name = typeof type === 'string' ? type.toLowerCase() : ''
  if (name === 'bearer') return false
  if (name === 'dpop' && isProven) return true
  throw badAnswer(
    isProven ? 'The token_type is neither DPoP nor Bearer.' : 'The token_type is not Bearer.',
  )
}

/** The `exp` of a token in JWT format. It is not verified, because it comes directly from Salesforce. */
function tokenExpiryOf(accessToken: string): number | undefined {
  if (!accessToken.startsWith('eyJ')) return undefined
  try {
    const { exp } = decodeJwt(accessToken)
    return typeof exp === 'number' && Number.isFinite(exp) && exp > 0 ? exp * 1_000 : undefined
  } catch {
    // An opaque token that only begins like a JWT. Its lifetime comes from elsewhere.
    return undefined
  }
}

/** Callers send the token to this URL, so a foreign host makes the answer invalid. */
function allowedUrl(body: JsonObject, member: string, hosts: InstanceRules): string | undefined {
  const value = body[member]
  if (value === undefined || value === null) return undefined
  const url = typeof value === 'string' ? hosts.checkInstanceUrl(value) : undefined
  if (url === undefined) throw badAnswer(`The ${member} is not https on a host of Salesforce.`)
  return url
}

function expiresInOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined
  const isNumeric = typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value))
  const seconds = isNumeric ? Math.floor(Number(value)) : Number.NaN
  if (!(seconds >= 1 && seconds <= LONGEST_LIFETIME_SECONDS)) {
    throw badAnswer('The expires_in is not a number of seconds above 0.')
  }
  return seconds
}

/** Undefined if one of the members is missing. */
function signedPartOf({ id, issued_at: issuedAt, signature }: JsonObject): SignedPart | undefined {
  const isTime = typeof issuedAt === 'string' || typeof issuedAt === 'number'
  if (typeof id !== 'string' || !isTime || typeof signature !== 'string') return undefined
  return { text: `${id}${issuedAt}`, signature }
}

/** Milliseconds, as a string or a number. Informational only, so an invalid value is omitted. */
function issuedAtOf(value: unknown): number | undefined {
  const isNumeric = typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value))
  const ms = isNumeric ? Math.floor(Number(value)) : Number.NaN
  return ms >= EARLIEST_ISSUED_AT && ms <= LATEST_ISSUED_AT ? ms : undefined
}

function refreshTokenOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string' || !VISIBLE_ASCII.test(value)) {
    throw badAnswer('The refresh_token contains invalid characters.')
  }
  return value
}

/** Reads the refresh token of an answer that may be invalid otherwise. */
export function refreshTokenIn({ refresh_token: value }: JsonObject): Secret | undefined {
  return typeof value === 'string' && VISIBLE_ASCII.test(value) ? new Secret(value) : undefined
}

/** The ids say whose token it is. The URL is included only if it is on a host of Salesforce. */
function identityOf(value: unknown, hosts: InstanceRules) {
  if (typeof value !== 'string' || !URL.canParse(value)) return {}
  const url = new URL(value)
  const [, orgId, userId] = IDENTITY_PATH.exec(url.pathname) ?? []
  const isAllowed = hosts.checkInstanceUrl(url.origin) !== undefined && url.username === ''
  return withoutMissing({ identityUrl: isAllowed ? url.href : undefined, orgId, userId })
}

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

function withoutMissing<T extends object>(members: T): Present<T> {
  const present = Object.entries(members).filter(([, value]) => value !== undefined)
  return Object.fromEntries(present) as Present<T>
}

/** Converts the `exp` of the token from Salesforce's clock to ours. */
export function byOurClock(answer: TokenAnswer, aheadMs: number): TokenAnswer {
  const { tokenExpiresAt } = answer
  return tokenExpiresAt === undefined
    ? answer
    : { ...answer, tokenExpiresAt: tokenExpiresAt - aheadMs }
}
