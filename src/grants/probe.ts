import type { Secret } from '../crypto/secret.ts'
import type { HostRules } from '../http/login-host.ts'
import type { Outbound } from '../http/outbound.ts'
import { type RestRefusal, restRefusalOf } from './rest-refusal.ts'
import type { RestVerdict } from './rest-refusal-table.ts'
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
 * API, and a new token would change nothing. `untold`: it said something else, as that the calls of
 * the org are used up.
 */
export type ProbeResult =
  | { readonly verdict: 'live' }
  | { readonly verdict: RestVerdict; readonly refusal: RestRefusal }

interface ProbeDependencies {
  readonly outbound: Pick<Outbound, 'send'>
  readonly hosts: Pick<HostRules, 'checkInstanceUrl' | 'isSalesforceOwn'>
  readonly now: () => number
}

/** Resources by Version: it needs nothing but API access, where `/limits` needs View Setup and Configuration. */
export const PROBE_PATH = '/services/data/v60.0/'

/** Throws `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid` where it cannot tell. */
export async function probeToken(
  request: ProbeRequest,
  { outbound, hosts, now }: ProbeDependencies,
): Promise<ProbeResult> {
  const { instanceUrl, accessToken, signal } = request
  const origin = hosts.checkInstanceUrl(instanceUrl)
  if (origin === undefined) throw invalid('The instance_url is not https on a host of Salesforce.')
  const outcome = await outbound.send({
    url: `${origin}${PROBE_PATH}`,
    headers: {
      accept: 'application/json',
      authorization: `Bearer ${accessToken.reveal()}`,
      'user-agent': 'valetkey',
    },
    signal,
    repeatable: true,
  })
  if (!outcome.ok) throw failureError(outcome, new URL(origin).hostname)
  const { status } = outcome
  if (status >= 300 && status < 400) {
    throw redirectError(
      { host: new URL(origin).hostname, isSalesforceOwn: hosts.isSalesforceOwn },
      outcome,
    )
  }
  const secrets = [accessToken.reveal()]
  if (isUnavailable(outcome)) throw unavailableError(outcome, now, secrets)
  if (status >= 200 && status < 300) return { verdict: 'live' }
  const refusal = restRefusalOf(outcome, secrets)
  if (!refusal) throw noAnswer(outcome, secrets, 'nothing that is known')
  return { verdict: refusal.verdict, refusal }
}
