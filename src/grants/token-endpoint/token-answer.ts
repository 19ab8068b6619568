import { decodeJwt } from 'jose'
import { Secret } from '../../crypto/secret.ts'

import type { SignedPart } from './answer-signature.ts'
import { badAnswer, type JsonObject } from './salesforce-answer.ts'

/** A token response of Salesforce, normalised. Times are epoch milliseconds. */
export interface TokenAnswer {
  /** Where it was asked for: a login URL, or the instance of a token that was exchanged there. It is revoked there and nowhere else. */
  readonly issuer: string
  /** Visible ASCII without spaces. */
  readonly accessToken: Secret
  /** https on one of Salesforce's domains, or a host of `VALETKEY_LOGIN_HOSTS`; an origin, no trailing slash. */
  readonly instanceUrl: string
  readonly apiInstanceUrl?: string
  readonly scope?: string
  readonly issuedAt?: number
  /** Whole seconds, where Salesforce sends it. */
  readonly expiresInSeconds?: number
  /** The `exp` of a JWT-format token. */
  readonly tokenExpiresAt?: number
  readonly identityUrl?: string
  /** 15 or 18 characters, from the identity URL. */
  readonly orgId?: string
  readonly userId?: string
  /** What Salesforce signed with the consumer secret, where it did. */
  readonly signed?: SignedPart
  /** The credential's successor, where the answer renews it. */
  readonly refreshToken?: Secret
}

/** What introspection says about a token. */
export interface Introspection {
  readonly active: boolean
  /** Epoch milliseconds, where Salesforce says. */
  readonly expiresAt?: number
}

/** A token response of Salesforce: checked member by member, tolerant of everything that is not needed. */
export interface CheckedAnswer {
  /** What oauth4webapi accepts: the standard's members alone, in the standard's types. */
  readonly standard: Record<string, string | number>
  readonly answer: Omit<TokenAnswer, 'issuer'>
}

interface InstanceRules {
  checkInstanceUrl(text: string): string | undefined
}

const VISIBLE_ASCII = /^[!-~]+$/
/** Ten years: more is no lifetime, but a mistake of units. */
const LONGEST_LIFETIME_SECONDS = 315_360_000
const EARLIEST_ISSUED_AT = Date.UTC(2001, 0)
const LATEST_ISSUED_AT = Date.UTC(2100, 0)
const IDENTITY_PATH =
  /\/id\/(00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?)\/(005[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?)$/

/** Throws `token_response_invalid`; the detail names the member, never its value. */
export function checkTokenAnswer(body: JsonObject, hosts: InstanceRules): CheckedAnswer {
  const accessToken = body.access_token
  if (typeof accessToken !== 'string' || accessToken === '') {
    throw badAnswer('The answer has no access_token.')
  }
  if (!VISIBLE_ASCII.test(accessToken)) {
    throw badAnswer('The access_token has characters that no token has.')
  }
  const tokenType = body.token_type ?? 'Bearer'
  if (typeof tokenType !== 'string' || tokenType.toLowerCase() !== 'bearer') {
    throw badAnswer('The token_type is not Bearer.')
  }
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
      }),
      ...identityOf(body.id, hosts),
    },
  }
}

/** The `exp` of a JWT-format token, unverified: it is Salesforce's own, read from its own answer. */
function tokenExpiryOf(accessToken: string): number | undefined {
  if (!accessToken.startsWith('eyJ')) return undefined
  try {
    const { exp } = decodeJwt(accessToken)
    return typeof exp === 'number' && Number.isFinite(exp) && exp > 0 ? exp * 1_000 : undefined
  } catch {
    // An opaque token that merely begins like a JWT; its lifetime is learned otherwise.
    return undefined
  }
}

/** Where callers will send the token; so a foreign host spoils the whole answer. */
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

/** Absent where a member of it is. */
function signedPartOf({ id, issued_at: issuedAt, signature }: JsonObject): SignedPart | undefined {
  const isTime = typeof issuedAt === 'string' || typeof issuedAt === 'number'
  if (typeof id !== 'string' || !isTime || typeof signature !== 'string') return undefined
  return { text: `${id}${issuedAt}`, signature }
}

/** Milliseconds, as a string or a number. It is for show only, so one that makes no sense is dropped. */
function issuedAtOf(value: unknown): number | undefined {
  const isNumeric = typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value))
  const ms = isNumeric ? Math.floor(Number(value)) : Number.NaN
  return ms >= EARLIEST_ISSUED_AT && ms <= LATEST_ISSUED_AT ? ms : undefined
}

function refreshTokenOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string' || !VISIBLE_ASCII.test(value)) {
    throw badAnswer('The refresh_token has characters that no token has.')
  }
  return value
}

/** Of an answer that may be no good otherwise. */
export function refreshTokenIn({ refresh_token: value }: JsonObject): Secret | undefined {
  return typeof value === 'string' && VISIBLE_ASCII.test(value) ? new Secret(value) : undefined
}

/** The ids say whose token it is; the URL is passed on only where it is on a host of Salesforce. */
function identityOf(
  value: unknown,
  hosts: InstanceRules,
): Pick<TokenAnswer, 'identityUrl' | 'orgId' | 'userId'> {
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

/** A token's own `exp` is by Salesforce's clock. */
export function byOurClock(answer: TokenAnswer, aheadMs: number): TokenAnswer {
  const { tokenExpiresAt } = answer
  return tokenExpiresAt === undefined
    ? answer
    : { ...answer, tokenExpiresAt: tokenExpiresAt - aheadMs }
}
