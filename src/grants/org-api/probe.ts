import type { HostRules } from '../../http/outbound/login-host.ts'
import type { Outbound } from '../../http/outbound/outbound.ts'
import { type RestRefusal, restRefusalOf } from '../refusals/rest-refusal.ts'
import type { RestVerdict } from '../refusals/rest-refusal-table.ts'
import {
  isSalesforceUnavailable,
  noAnswer,
  redirectError,
  unavailableError,
} from '../token-endpoint/salesforce-answer.ts'
import { askOrg, type OrgCaller } from './org-request.ts'

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

/** One cheap REST call with a token: it tells whether the token lives, and slides its session. Throws `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid` where it cannot tell. */
export async function probeToken(
  caller: OrgCaller,
  { outbound, hosts, now }: ProbeDependencies,
): Promise<ProbeResult> {
  const { answer, host, secrets } = await askOrg(caller, { path: PROBE_PATH }, { outbound, hosts })
  const { status } = answer
  if (status >= 300 && status < 400) {
    throw redirectError({ host, isSalesforceOwn: hosts.isSalesforceOwn }, answer)
  }
  if (isSalesforceUnavailable(answer)) throw unavailableError(answer, now, secrets)
  if (status >= 200 && status < 300) return { verdict: 'live' }
  const refusal = restRefusalOf(answer, secrets)
  if (!refusal) throw noAnswer(answer, secrets, 'nothing that is known')
  return { verdict: refusal.verdict, refusal }
}
