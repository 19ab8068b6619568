import type { Secret } from '../crypto/secret.ts'
import type { HostRules } from '../http/login-host.ts'
import type { Outbound, OutboundAnswer } from '../http/outbound.ts'
import {
  failureError,
  invalid,
  isUnavailable,
  noAnswer,
  redirectError,
  unavailableError,
} from './salesforce-answer.ts'

/** One cheap REST call with a token: it tells whether the token lives, and slides its session. */
export interface ProbeRequest {
  /** An origin. */
  readonly instanceUrl: string
  readonly accessToken: Secret
  readonly signal: AbortSignal
}

/**
 * `dead`: Salesforce does not know the session (any more). `no_api`: it does, but not for the REST
 * API: no `api` scope, the app's IP policy, or API access control. A new token would change nothing.
 */
export type ProbeResult = 'live' | 'dead' | 'no_api'

interface ProbeDependencies {
  readonly outbound: Pick<Outbound, 'send'>
  readonly hosts: Pick<HostRules, 'checkInstanceUrl' | 'isSalesforceOwn'>
  readonly now: () => number
}

const LIMITS_PATH = '/services/data/v60.0/limits'
/** Answers with status 401 and INVALID_SESSION_ID that a fresh token does not cure. */
const NOT_DEAD = ['not valid for use with the rest api', 'connected app is not attached']

/** Throws `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid` where it cannot tell. */
export async function probeToken(
  request: ProbeRequest,
  { outbound, hosts, now }: ProbeDependencies,
): Promise<ProbeResult> {
  const { instanceUrl, accessToken, signal } = request
  const origin = hosts.checkInstanceUrl(instanceUrl)
  if (origin === undefined) throw invalid('The instance_url is not https on a host of Salesforce.')
  const outcome = await outbound.send({
    url: `${origin}${LIMITS_PATH}`,
    headers: {
      accept: 'application/json',
      authorization: `Bearer ${accessToken.reveal()}`,
      'user-agent': 'valetkey',
    },
    signal,
    repeatable: true,
  })
  if (!outcome.ok) throw failureError(outcome)
  const { status } = outcome
  if (status >= 300 && status < 400) {
    throw redirectError(
      { host: new URL(origin).hostname, isSalesforceOwn: hosts.isSalesforceOwn },
      outcome,
    )
  }
  const secrets = [accessToken.reveal()]
  if (isUnavailable(outcome)) throw unavailableError(outcome, now, secrets)
  if (status === 401) return isNotDead(outcome) ? 'no_api' : 'dead'
  if (status === 403) return 'no_api'
  if (status >= 200 && status < 300) return 'live'
  throw noAnswer(outcome, secrets)
}

function isNotDead({ body }: OutboundAnswer): boolean {
  const text = body.toString('utf8').toLowerCase()
  return NOT_DEAD.some((message) => text.includes(message))
}
