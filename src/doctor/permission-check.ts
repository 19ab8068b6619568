/** Whether the user of the token is the smallest that the integration can do with. */
import { BrokerError } from '../errors/errors.ts'
import type { OrgCaller } from '../grants/org-api/org-request.ts'
import type { ProbeResult } from '../grants/org-api/probe.ts'
import {
  type SeenPermissions,
  USER_PERMISSIONS,
  type UserPermission,
} from '../grants/org-api/user-permissions.ts'
import type { TokenEndpoint } from '../grants/token-endpoint/token-endpoint.ts'
import type { Integration } from '../integrations/integration.ts'
import { within } from '../runtime/timeout.ts'
import { recipeOf } from '../setup/recipe.ts'
import { type DiagnosisCheck, failed, passed, warned } from './check.ts'
import { CHECK_MS, tooSlow } from './time-limit.ts'

const SET =
  'Assign the permission set of GET /integrations/{name}/setup/metadata (or of the sheet, GET /integrations/{name}/setup) to the user.'
/** What these refusals say is that the user may not use the API at all. */
const WITHOUT_API = ['api_disabled', 'api_off_for_user']

/** What is shown of them, asked while other checks run. Throws bugs alone: whether the host is well is told by another check. */
export async function lookAtPermissions(
  { instanceUrl, accessToken }: Omit<OrgCaller, 'signal'>,
  endpoint: Pick<TokenEndpoint, 'userPermissions'>,
): Promise<SeenPermissions> {
  const ask = (signal: AbortSignal) =>
    endpoint.userPermissions({ instanceUrl, accessToken, signal })
  try {
    return await within(CHECK_MS, ask, { late: tooSlow })
  } catch (error) {
    if (error instanceof BrokerError) return { unseen: error.detail }
    throw error
  }
}

/** Nothing where it cannot be told: the REST call was refused for another reason. `result`: of the REST call. */
export function checkPermissions(
  { grant }: Integration,
  seen: SeenPermissions,
  result: ProbeResult,
): readonly DiagnosisCheck[] {
  if (result.verdict === 'live') return [judge(recipeOf(grant).user.permissions, seen)]
  return WITHOUT_API.includes(result.refusal.reason)
    ? [failed('permissions', 'The user lacks API Enabled, or the org has no API.', SET)]
    : []
}

const unseen = (why: string): DiagnosisCheck =>
  passed('permissions', `What the user may do is not shown to it (${why.replace(/\.$/, '')}).`)

function judge(needed: readonly UserPermission[], seen: SeenPermissions): DiagnosisCheck {
  if ('unseen' in seen) return unseen(seen.unseen)
  const missing = needed.filter((name) => !seen.has.has(name))
  const more = [...seen.has].filter((name) => !needed.includes(name) && !SMALLEST.includes(name))
  if (missing.length === 0 && more.length === 0) {
    return passed('permissions', 'The user has what the integration needs, and nothing mighty.')
  }
  const details = [
    missing.length === 0 ? [] : `The user lacks: ${labels(missing)}.`,
    more.length === 0 ? [] : `The user may more than the integration needs: ${labels(more)}.`,
  ]
  const remedies = [
    missing.length === 0 ? [] : SET,
    more.length === 0
      ? []
      : 'Take away what is more, in the profile and the permission sets of the user; whoever deploys certificates for others needs Modify Metadata, and some calls (as GET …/limits) View Setup.',
  ]
  return warned('permissions', details.flat().join(' '), remedies.flat().join(' '))
}

/** Good to have with each grant, or harmless. */
const SMALLEST: readonly UserPermission[] = ['ApiEnabled', 'ApiUserOnly']

const labels = (names: readonly UserPermission[]): string =>
  names.map((name) => USER_PERMISSIONS[name]).join(', ')
