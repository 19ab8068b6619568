/** What the user of a token may do beside what its integration needs, as far as the org shows it to the user itself. */

import type { HostRules } from '../http/login-host.ts'
import type { Outbound } from '../http/outbound.ts'
import { jsonOf, wordsIn } from './answer-form.ts'
import type { ProbeRequest } from './probe.ts'
import { failureError, invalid, isUnavailable, unavailableError } from './salesforce-answer.ts'

/** By the API name: how Setup calls it. `ApiEnabled` and `ApiUserOnly` make an integration user; the others open far more than one integration needs. */
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
/** The running user's own, readable by every user (Object Reference, UserPermissionAccess, API version 47.0). */
const QUERY = `SELECT ${NAMES.map((name) => `Permissions${name}`).join(', ')} FROM UserPermissionAccess`
const PATH = `/services/data/v60.0/query?q=${encodeURIComponent(QUERY)}`

/** Those that it has; or, in Salesforce's words, why that cannot be seen. */
export type SeenPermissions =
  | { readonly has: ReadonlySet<UserPermission> }
  | { readonly unseen: string }

interface Dependencies {
  readonly outbound: Pick<Outbound, 'send'>
  readonly hosts: Pick<HostRules, 'checkInstanceUrl'>
  readonly now: () => number
}

/** Throws `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid`. */
export async function readUserPermissions(
  { instanceUrl, accessToken, signal }: ProbeRequest,
  { outbound, hosts, now }: Dependencies,
): Promise<SeenPermissions> {
  const base = hosts.checkInstanceUrl(instanceUrl)
  if (base === undefined) throw invalid('The instance_url is not https on a host of Salesforce.')
  const outcome = await outbound.send({
    url: `${base}${PATH}`,
    headers: {
      accept: 'application/json',
      authorization: `Bearer ${accessToken.reveal()}`,
      'user-agent': 'valetkey',
    },
    signal,
    repeatable: true,
  })
  if (!outcome.ok) throw failureError(outcome, new URL(base).hostname)
  const secrets = [accessToken.reveal()]
  if (isUnavailable(outcome)) throw unavailableError(outcome, now, secrets)
  const record = recordIn(jsonOf(outcome))
  if (outcome.status !== 200 || !record) {
    const { errorCode } = wordsIn(outcome, secrets) ?? {}
    return { unseen: errorCode ?? `status ${outcome.status}` }
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
