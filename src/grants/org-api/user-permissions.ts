/** Permissions of the user of a token that the integration may not need, as the org shows them to that user. */

import type { ProvenOutbound } from '../../dpop/proven-outbound.ts'
import type { HostRules } from '../../http/outbound/login-host.ts'
import { jsonOf, wordsIn } from '../token-endpoint/answer-form.ts'
import { isSalesforceUnavailable, unavailableError } from '../token-endpoint/salesforce-answer.ts'
import { askOrg, type OrgCaller } from './org-request.ts'

/** Labels in Setup by API name. An integration user has `ApiEnabled` and `ApiUserOnly`; the others give far more access than one integration needs. */
export const USER_PERMISSIONS = {
  ApiEnabled: 'API Enabled',
  ApiUserOnly: 'API Only User',
  ModifyAllData: 'Modify All Data',
  ViewAllData: 'View All Data',
  ManageUsers: 'Manage Users',
  CustomizeApplication: 'Customize Application',
  AuthorApex: 'Author Apex',
  ModifyMetadata: 'Modify Metadata Through Metadata API Functions',
  ViewSetup: 'View Setup and Configuration',
} as const

export type UserPermission = keyof typeof USER_PERMISSIONS

const NAMES = Object.keys(USER_PERMISSIONS) as UserPermission[]
/** Every user can read its own permissions (Object Reference, UserPermissionAccess, API version 47.0). */
const QUERY = `SELECT ${NAMES.map((name) => `Permissions${name}`).join(', ')} FROM UserPermissionAccess`
const PATH = `/services/data/v60.0/query?q=${encodeURIComponent(QUERY)}`

/** The permissions of the user, or why they cannot be read, in Salesforce's words. */
export type SeenPermissions =
  | { readonly has: ReadonlySet<UserPermission> }
  | { readonly unseen: string }

interface Dependencies {
  readonly outbound: ProvenOutbound
  readonly hosts: Pick<HostRules, 'checkInstanceUrl'>
  readonly now: () => number
}

/** Throws `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid`. */
export async function readUserPermissions(
  caller: OrgCaller,
  { outbound, hosts, now }: Dependencies,
): Promise<SeenPermissions> {
  const { answer, secrets } = await askOrg(caller, { path: PATH }, { outbound, hosts })
  if (isSalesforceUnavailable(answer)) throw unavailableError(answer, now, secrets)
  const record = recordIn(jsonOf(answer))
  if (answer.status !== 200 || !record) {
    const { errorCode } = wordsIn(answer, secrets) ?? {}
    return { unseen: errorCode ?? `status ${answer.status}` }
  }
  return { has: new Set(NAMES.filter((name) => record[`Permissions${name}`] === true)) }
}

function recordIn(value: unknown): Readonly<Record<string, unknown>> | undefined {
  const { records } = Object(value) as { readonly records?: unknown }
  const first: unknown = Array.isArray(records) ? records[0] : undefined
  return typeof first === 'object' && first !== null
    ? (first as Readonly<Record<string, unknown>>)
    : undefined
}
