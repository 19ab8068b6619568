/** The steps of a setup that concern the user: who it is, and the permission set that it needs and nothing more. Pure. */
import { USER_PERMISSIONS } from '../grants/org-api/user-permissions.ts'
import type { Blueprint } from './blueprint.ts'
import type { SetupStep } from './step.ts'

const ON = 'on'
const OFF = 'off'

export function userStep({ recipe, username }: Blueprint): SetupStep {
  const section = 'User'
  const user = username ?? 'an integration user of its own'
  const { license, profile } = recipe.user
  return {
    title: 'Choose the user to act as',
    where: 'Setup → Users',
    fields: [
      { section, field: 'Username', value: user, why: NAMED_BY[recipe.actsAs] },
      { section, field: 'Active', value: ON, why: 'And neither frozen nor locked' },
      {
        section,
        field: 'User License',
        value: license ?? 'one that the user has',
        why: WHY_LICENSE[recipe.actsAs],
      },
      ...(profile === null
        ? []
        : [{ section, field: 'Profile', value: profile, why: 'It opens nothing but the API' }]),
      {
        section,
        field: 'Login IP Ranges, Login Hours of its profile',
        value: 'none, or ones that let this service in',
        why: 'Else the answer is ip_restricted or login_hours',
      },
    ],
  }
}

const NAMED_BY = {
  username: 'The assertion names it; username and not email address',
  run_as_user: 'The policies name it (run-as user)',
  approving_user: 'Whoever approves the app in a browser; use a window without another login',
  handled_user: 'The token handler, an Apex class of the app, finds the user of the token',
  source: 'The source decides',
} as const satisfies Record<Blueprint['recipe']['actsAs'], string>

const WHY_LICENSE = {
  username: 'For integrations; it is used by programs alone',
  run_as_user: 'For integrations; it is used by programs alone',
  approving_user:
    'It must be able to log in in a browser, to approve the app: Salesforce Integration is not',
  handled_user: 'The token handler decides',
  source: 'The source decides',
} as const satisfies Record<Blueprint['recipe']['actsAs'], string>

/** The same as the files have it. */
export function permissionSetStep({ label, apiName, recipe, username }: Blueprint): SetupStep {
  const section = 'System Permissions'
  const { permissions, license } = recipe.user
  return {
    title: 'Give it the smallest permission set',
    where: 'Setup → Permission Sets → New',
    fields: [
      { section: 'Permission Set', field: 'Label', value: label },
      { section: 'Permission Set', field: 'API Name', value: apiName },
      {
        section: 'Permission Set',
        field: 'License',
        value: '--None--',
        why:
          license === null
            ? 'So that users of each license can have it'
            : 'So that it deploys everywhere; assign the permission set license Salesforce API Integration to the user, too, where it needs objects',
      },
      ...permissions.map((name) => ({ section, field: USER_PERMISSIONS[name], value: ON })),
      {
        section,
        field: 'All others',
        value: OFF,
        why: 'Objects and fields that the integration works with go into sets of their own',
      },
      {
        section: 'Manage Assignments',
        field: 'Add Assignment',
        value: username ?? 'the user to act as',
      },
    ],
  }
}
