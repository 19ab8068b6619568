import { type Answer, jsonAnswer } from './answer.ts'

/** Refusals of the REST API as observed (restforce, jsforce, Salesforce's own guides). The texts of `forbidden`, `version_retired` and `server_unavailable` are the least certain. */
export const REST_REFUSALS = {
  session_invalid: refusal(401, 'INVALID_SESSION_ID', 'Session expired or invalid'),
  api_not_allowed: refusal(
    401,
    'INVALID_SESSION_ID',
    'This session is not valid for use with the REST API',
  ),
  app_not_for_agent: refusal(401, 'INVALID_SESSION_ID', 'Connected app is not attached to Agent'),
  authorization_header: refusal(401, 'INVALID_AUTH_HEADER', 'INVALID_HEADER_TYPE'),
  request_limit: refusal(403, 'REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.'),
  concurrent_requests: refusal(
    403,
    'REQUEST_LIMIT_EXCEEDED',
    'ConcurrentRequests (Concurrent API Requests) Limit exceeded.',
  ),
  api_disabled: refusal(
    403,
    'API_DISABLED_FOR_ORG',
    'The REST API is not enabled for this Organization.',
  ),
  api_off_for_user: refusal(403, 'API_CURRENTLY_DISABLED', 'API is disabled for this User'),
  api_down: refusal(403, 'API_CURRENTLY_DISABLED', 'The API is temporarily unavailable'),
  server_unavailable: refusal(503, 'SERVER_UNAVAILABLE', 'The server is too busy'),
  url_not_reset: refusal(
    400,
    'URL_NOT_RESET',
    'Destination URL not reset. The URL returned from login must be set',
  ),
  version_retired: refusal(410, 'GONE', 'The requested API version is retired'),
  password_expired: refusal(
    403,
    'INVALID_OPERATION_WITH_EXPIRED_PASSWORD',
    "The user's password has expired, you must call SetPassword before attempting any other API operations",
  ),
  mutual_tls_required: refusal(
    403,
    'MUTUAL_AUTHENTICATION_FAILED',
    'This session requires mutual authentication',
  ),
  client_not_allowed: refusal(
    403,
    'CLIENT_NOT_ACCESSIBLE_FOR_USER',
    'The client is not accessible for this user',
  ),
  forbidden: refusal(403, 'FORBIDDEN', 'You do not have access to the requested resource'),
  not_there: refusal(404, 'NOT_FOUND', 'The requested resource does not exist'),
} as const satisfies Record<string, RestRefusal>

interface RestRefusal {
  readonly status: number
  readonly errorCode: string
  readonly message: string
}

export type RestRefusalName = keyof typeof REST_REFUSALS

export function refuseRest(name: RestRefusalName): Answer {
  const { status, errorCode, message } = REST_REFUSALS[name]
  return restError(status, errorCode, message)
}

export function restError(status: number, errorCode: string, message: string): Answer {
  return jsonAnswer(status, [{ message, errorCode }])
}

function refusal(status: number, errorCode: string, message: string): RestRefusal {
  return { status, errorCode, message }
}
