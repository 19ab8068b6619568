import type { ProvenOutbound } from '../../dpop/proven-outbound.ts'
import type { HostRules } from '../../http/outbound/login-host.ts'
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
 * `dead`: Salesforce does not know the session. `no_api`: the session is valid, but not for the
 * REST API, and a new token would not help. `untold`: the answer says nothing about the session,
 * for example that the API limit of the org is reached.
 */
export type ProbeResult =
  | { readonly verdict: 'live' }
  | { readonly verdict: RestVerdict; readonly refusal: RestRefusal }

interface ProbeDependencies {
  readonly outbound: ProvenOutbound
  readonly hosts: Pick<HostRules, 'checkInstanceUrl' | 'isSalesforceOwn'>
  readonly now: () => number
}

/** Lists resources by version. Needs only API access; `/limits` needs View Setup and Configuration. */
export const PROBE_PATH = '/services/data/v60.0/'

/**
 * Makes one inexpensive REST call, which shows whether the token is valid and extends its session.
 * Throws `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid` if the answer
 * does not show it.
 */
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
  if (!refusal) throw noAnswer(answer, secrets, 'no known error')
  return { verdict: refusal.verdict, refusal }
}
