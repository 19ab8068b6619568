/** Converts problems to errors of RFC 6749, section 5.2, for OAuth clients. Pure. */
import type { BrokerError } from '../../errors/errors.ts'
import type { ProblemCode } from '../../errors/problems.ts'
import { remedyFor } from '../../http/problems/problem.ts'
import { wholeSeconds } from '../../http/problems/remedy.ts'

export const OAUTH_ERRORS = [
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'temporarily_unavailable',
  'server_error',
] as const

export type OAuthErrorCode = (typeof OAUTH_ERRORS)[number]

export interface OAuthError {
  readonly status: 400 | 401 | 429 | 500 | 503
  readonly error: OAuthErrorCode
  /** Explanation and remedy: at most 2,000 characters of visible ASCII and spaces, without quotes and backslashes. */
  readonly description: string
  /** URI of the page about the problem. */
  readonly uri: string
  readonly retryAfterSeconds?: number
}

type Form = Pick<OAuthError, 'status' | 'error'>

/** A later retry helps. Section 5.2 has no code for it, but section 4.1.2.1 has. */
const LATER: Form = { status: 503, error: 'temporarily_unavailable' }
const OVER_BUDGET: Form = { status: 429, error: 'temporarily_unavailable' }
/** An operator has to change the integration, or something at Salesforce. */
const NOT_NOW: Form = { status: 400, error: 'invalid_grant' }
const NO_SUCH_SCOPE: Form = { status: 400, error: 'invalid_scope' }
const BROKEN: Form = { status: 503, error: 'server_error' }

const FORMS: Partial<Record<ProblemCode, Form>> = {
  caller_unauthenticated: { status: 401, error: 'invalid_client' },
  caller_forbidden: NO_SUCH_SCOPE,
  request_not_allowed: { status: 400, error: 'unauthorized_client' },
  integration_not_found: NO_SUCH_SCOPE,
  integration_disabled: NOT_NOW,
  integration_draft: NOT_NOW,
  integration_frozen: NOT_NOW,
  integration_not_connected: NOT_NOW,
  token_still_live: NOT_NOW,
  token_bound: NOT_NOW,
  identity_changed: NOT_NOW,
  token_not_bound: NOT_NOW,
  conflict: LATER,
  rate_limited: OVER_BUDGET,
  login_budget_exhausted: OVER_BUDGET,
  internal: { status: 500, error: 'server_error' },
  token_response_invalid: BROKEN,
  record_corrupt: BROKEN,
  another_version: BROKEN,
}
const RETRY_AFTER_MS = 5_000
const LONGEST = 2_000

/** These clients do not send `Authorization: Bearer …`. */
const AUTHENTICATE =
  'Send the id of an API key as the client id, and the key itself as the client secret.'

/** The description begins with the code of the problem, which `/problems` explains, and ends with the remedy. `name`: the requested integration. */
export function oauthErrorOf(problem: BrokerError, name?: string): OAuthError {
  const { code } = problem
  const form = FORMS[code] ?? formByStatus(problem.status)
  const isWorthWaiting = form.status === 503 || form.status === 429
  const seconds = waitOf(problem, isWorthWaiting)
  return {
    ...form,
    description: descriptionOf(problem, { name, authenticate: AUTHENTICATE }),
    uri: `/problems/${code}`,
    ...(seconds !== undefined && { retryAfterSeconds: seconds }),
  }
}

/** Seconds for `Retry-After`. Undefined: nothing says that waiting helps. */
export function waitOf({ retryAfterMs }: BrokerError, isWorthWaiting: boolean): number | undefined {
  const waitMs = retryAfterMs ?? (isWorthWaiting ? RETRY_AFTER_MS : undefined)
  return waitMs === undefined ? undefined : wholeSeconds(waitMs)
}

interface Words {
  /** The requested integration. */
  readonly name: string | undefined
  /** The remedy of `caller_unauthenticated`. */
  readonly authenticate: string
}

/** The code of the problem, what is wrong, and the remedy, in the characters that RFC 6749 allows. */
export function descriptionOf(problem: BrokerError, { name, authenticate }: Words): string {
  const { code } = problem
  const isUnknown = code === 'caller_unauthenticated'
  const detail = DETAILS[code] ?? problem.detail
  const remedy = isUnknown ? authenticate : remedyFor(problem, name)
  return describable(`${code}: ${detail.replace(/\.?$/, '.')} ${remedy}`)
}

/** Details for OAuth clients, which send no bearer. */
const DETAILS: Partial<Record<ProblemCode, string>> = {
  internal: 'a bug in this service',
  caller_unauthenticated: 'The client credentials are not valid',
}

/** `grant_refused` is 503 if a retry helps, otherwise 424. */
function formByStatus(status: number): Form {
  if (status >= 500) return LATER
  return status === 424 ? NOT_NOW : { status: 400, error: 'invalid_request' }
}

const describable = (text: string) =>
  text
    .replace(/["\\`]/g, "'")
    .replaceAll('→', '>')
    .replaceAll('…', '...')
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, LONGEST)
