/** Whether the user of the token has only the permissions that the integration needs. */
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
/** Refusals that mean that the user may not use the API. */
const WITHOUT_API = ['api_disabled', 'api_off_for_user']

/** Reads the permissions in parallel with other checks. Throws only bugs: another check reports failures of the host. */
export async function lookAtPermissions(
  caller: Omit<OrgCaller, 'signal'>,
  endpoint: Pick<TokenEndpoint, 'userPermissions'>,
): Promise<SeenPermissions> {
  const ask = (signal: AbortSignal) => endpoint.userPermissions({ ...caller, signal })
  try {
    return await within(CHECK_MS, ask, { late: tooSlow })
  } catch (error) {
    if (error instanceof BrokerError) return { unseen: error.detail }
    throw error
  }
}

/** Empty if the permissions are unknown because the REST call was refused for another reason. `result` is the result of that call. */
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
  passed('permissions', `The permissions of the user cannot be read (${why.replace(/\.$/, '')}).`)

function judge(needed: readonly UserPermission[], seen: SeenPermissions): DiagnosisCheck {
  if ('unseen' in seen) return unseen(seen.unseen)
  const missing = needed.filter((name) => !seen.has.has(name))
  const more = [...seen.has].filter((name) => !needed.includes(name) && !SMALLEST.includes(name))
  if (missing.length === 0 && more.length === 0) {
    return passed(
      'permissions',
      'The user has the permissions that the integration needs, and no powerful other ones.',
    )
  }
  const details = [
    missing.length === 0 ? [] : `The user lacks: ${labels(missing)}.`,
    more.length === 0
      ? []
      : `The user has more permissions than the integration needs: ${labels(more)}.`,
  ]
  const remedies = [
    missing.length === 0 ? [] : SET,
    more.length === 0
      ? []
      : 'Remove the other permissions from the profile and the permission sets of the user. An integration that deploys certificates needs Modify Metadata, and some calls (such as GET …/limits) need View Setup.',
  ]
  return warned('permissions', details.flat().join(' '), remedies.flat().join(' '))
}

const SMALLEST: readonly UserPermission[] = ['ApiEnabled', 'ApiUserOnly']

const labels = (names: readonly UserPermission[]): string =>
  names.map((name) => USER_PERMISSIONS[name]).join(', ')
