import type { AppConfiguration } from './apps.ts'
import type { Org, User } from './orgs.ts'
import type { Field } from './page.ts'
import { type RefusalName, Refused } from './refusals.ts'
import type { World } from './world.ts'

/** Decisions of a person on a page of Salesforce: the user, and whether the app may act for that user. */
export const DECISIONS = [
  { value: 'allow', label: 'Allow' },
  { value: 'deny', label: 'Deny' },
] as const

/** Replaces the login: the person may choose any user of the org. */
export function userField(org: Org, world: World): Field {
  const users = world.directory.users().filter(({ orgId }) => orgId === org.id)
  const choices = users.map(({ username }) => ({ value: username, label: username }))
  return { kind: 'choice', name: 'username', label: 'Log in as', choices }
}

/** The user who allowed it. Throws `Refused` if the user denied it or may not allow it. */
export function decided(
  form: ReadonlyMap<string, string> | undefined,
  { org, configuration }: { readonly org: Org; readonly configuration: AppConfiguration },
  world: World,
): User {
  const user = world.directory.findUser(org.id, form?.get('username') ?? '')
  if (form?.get('decision') !== 'allow' || user === undefined) throw new Refused('access_denied')
  const refusal = obstacle(user, org, configuration)
  if (refusal !== undefined) throw new Refused(refusal)
  return user
}

function obstacle(user: User, org: Org, app: AppConfiguration): RefusalName | undefined {
  if (!org.active) return 'org_inactive_code'
  if (user.state !== 'active') return 'user_inactive_code'
  const isAssigned = app.approvedUsernames.includes(user.username)
  if (app.permittedUsers === 'admin_approved' && !isAssigned) return 'user_not_admin_approved_code'
  return undefined
}
