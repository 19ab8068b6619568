/** Converts problems to refusals in the form and the words that Salesforce clients know. Pure. */
import { BrokerError } from '../errors/errors.ts'
import type { ProblemCode } from '../errors/problems.ts'
import { descriptionOf, waitOf } from '../tokens/oauth/oauth-error.ts'
import type { LoginGrant } from './login-request.ts'

export const SALESFORCE_ERRORS = [
  'invalid_request',
  'invalid_client_id',
  'invalid_client',
  'invalid_grant',
  'unsupported_grant_type',
  'temporarily_unavailable',
  'server_error',
  // Of the identity URL and userinfo.
  'Bad_OAuth_Token',
  'Bad_Id',
] as const

type SalesforceErrorCode = (typeof SALESFORCE_ERRORS)[number]

export interface SalesforceError {
  /** Clients such as Camel read the words of a 400 only. */
  readonly status: 400 | 403 | 404 | 500 | 503
  readonly error: SalesforceErrorCode
  readonly description: string
  readonly retryAfterSeconds?: number
}

/** Waiting is the remedy. */
const WAITING: ReadonlySet<ProblemCode> = new Set([
  'rate_limited',
  'login_budget_exhausted',
  'salesforce_unavailable',
  'salesforce_timeout',
  'signer_unavailable',
  'store_unavailable',
  'audit_unavailable',
  'another_version',
  'conflict',
])

const WORDS: Partial<Record<ProblemCode, SalesforceErrorCode>> = {
  request_invalid: 'invalid_request',
  secret_in_url: 'invalid_request',
  request_timeout: 'invalid_request',
  body_too_large: 'invalid_request',
  uri_too_long: 'invalid_request',
  media_type_unsupported: 'invalid_request',
  signing_refused: 'server_error',
  internal: 'server_error',
}

interface AskedLogin {
  /** Undefined: the request states none that is known. */
  readonly grant: LoginGrant | undefined
  /** The requested integration, if the URL names it. */
  readonly name: string | undefined
  /** The integration that a username such as `NAME@acme.com` names. It counts if nothing else names one. */
  readonly meant?: string | undefined
  /** Whether the client id has the form of a key's id. */
  readonly hasClientId: boolean
  /** Whether it needs a token, and not a client. */
  readonly isResource: boolean
  /** Whether it reads a grant type. */
  readonly isLogin: boolean
}

export function salesforceErrorOf(thrown: BrokerError, asked: AskedLogin): SalesforceError {
  const { grant, name, hasClientId, isResource, isLogin } = asked
  const problem = name === undefined ? withMeant(thrown, asked.meant) : thrown
  const { code } = problem
  const authenticate = isResource ? AUTHENTICATE_TOKEN : AUTHENTICATE[grant ?? 'none']
  const description = descriptionOf(problem, { name, authenticate })
  if (code === 'internal') return { status: 500, error: 'server_error', description }
  const isWaiting = WAITING.has(code) || (code === 'grant_refused' && problem.status === 503)
  if (isWaiting) {
    const retryAfterSeconds = waitOf(problem, true)
    return {
      ...{ status: 503, error: 'temporarily_unavailable', description },
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    }
  }
  const isUnknown = code === 'caller_unauthenticated'
  if (isResource && code === 'not_found') return { status: 404, error: 'Bad_Id', description }
  if (isResource && WORDS[code] !== 'invalid_request') {
    return { status: 403, error: 'Bad_OAuth_Token', description }
  }
  const ofClient = grant === 'client_credentials' || grant === undefined
  const ofSecret = hasClientId ? 'invalid_client' : 'invalid_client_id'
  const unknown = ofClient ? ofSecret : 'invalid_grant'
  const error = isUnknown ? unknown : wordOf(problem, isLogin)
  return { status: 400, error, description }
}

function wordOf({ code, cause }: BrokerError, isLogin: boolean): SalesforceErrorCode {
  // Salesforce reads no grant type in JSON.
  const isOther = cause === UNSUPPORTED_GRANT || (isLogin && code === 'media_type_unsupported')
  return isOther ? 'unsupported_grant_type' : (WORDS[code] ?? 'invalid_grant')
}

/** A username of Salesforce may be left in the settings of the client, so a refusal says what was read of it. */
function withMeant(problem: BrokerError, meant: string | undefined): BrokerError {
  const { code, detail } = problem
  const isOfName = code === 'caller_forbidden' || code === 'integration_not_found'
  if (meant === undefined || !isOfName) return problem
  return new BrokerError(code, `${detail}: the username names the integration ${meant}`, {
    cause: problem,
    remedy:
      'Send the name of an integration as the username, alone or before an @, or log in at /login/NAME.',
  })
}

/** The same for every wrong key, so that it does not tell what was right. */
const AUTHENTICATE: Readonly<Record<LoginGrant | 'none', string>> = {
  none: 'Send the id of an API key as client_id, and the key itself as client_secret.',
  client_credentials:
    'Send the id of an API key as client_id, and the key itself as client_secret.',
  password:
    'Send an API key as the password, and the name of the integration as the username. The client_id is the id of the key, and the client_secret is the key or empty.',
  refresh_token:
    'Send an API key as the refresh_token. The client_id is the id of the key, and the client_secret is the key or empty.',
  'urn:ietf:params:oauth:grant-type:jwt-bearer':
    'Send a JWT of an issuer in the configuration file as the assertion, such as the token of a Kubernetes service account. A client that signs its own assertion needs an API key instead: as the client_secret with grant_type=client_credentials, or as the refresh_token.',
}

const AUTHENTICATE_TOKEN =
  'Send a current access token of the integration, or an API key, as Authorization: Bearer.'

/** Marks a problem about the grant type. */
const UNSUPPORTED_GRANT = Symbol('unsupported grant')

export const unsupportedGrant = (grants: readonly string[]): BrokerError =>
  new BrokerError('request_invalid', 'The grant_type is missing or not supported', {
    remedy: `Send one of these as grant_type: ${grants.join(', ')}.`,
    cause: UNSUPPORTED_GRANT,
  })
