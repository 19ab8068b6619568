/** The setup steps for the user and its minimal permission set. */
import { USER_PERMISSIONS } from '../grants/org-api/user-permissions.ts'
import type { Blueprint } from './blueprint.ts'
import type { SetupStep } from './step.ts'

const ON = 'on'
const OFF = 'off'

export function userStep({ recipe, username }: Blueprint): SetupStep {
  const section = 'User'
  const user = username ?? 'a separate integration user'
  const { license, profile } = recipe.user
  return {
    title: 'Choose the user to act as',
    where: 'Setup → Users',
    fields: [
      { section, field: 'Username', value: user, why: NAMED_BY[recipe.actsAs] },
      {
        section,
        field: 'Active',
        value: ON,
        why: 'The user must also be neither frozen nor locked',
      },
      {
        section,
        field: 'User License',
        value: license ?? 'a license of the user',
        why: WHY_LICENSE[recipe.actsAs],
      },
      ...(profile === null
        ? []
        : [{ section, field: 'Profile', value: profile, why: 'It allows only the API' }]),
      {
        section,
        field: 'Login IP Ranges, Login Hours of its profile',
        value: 'none, or ones that allow this service',
        why: 'Otherwise the answer is ip_restricted or login_hours',
      },
    ],
  }
}

const NAMED_BY = {
  username: 'The assertion names the username, not the email address',
  run_as_user: 'The policies name it (run-as user)',
  approving_user: 'The user who approves the app in a browser; use a window without another login',
  handled_user: 'The token handler, an Apex class of the app, finds the user of the token',
  source: 'The source determines it',
} as const satisfies Record<Blueprint['recipe']['actsAs'], string>

const WHY_LICENSE = {
  username: 'For integrations; only programs use it',
  run_as_user: 'For integrations; only programs use it',
  approving_user:
    'The user must log in with a browser to approve the app, which the Salesforce Integration license does not allow',
  handled_user: 'The token handler determines it',
  source: 'The source determines it',
} as const satisfies Record<Blueprint['recipe']['actsAs'], string>

export function permissionSetStep({ label, apiName, recipe, username }: Blueprint): SetupStep {
  const section = 'System Permissions'
  const { permissions, license } = recipe.user
  return {
    title: 'Assign the minimal permission set',
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
            ? 'So that users with any license can have it'
            : 'So that it deploys in every org; also assign the permission set license Salesforce API Integration to the user if it needs objects',
      },
      ...permissions.map((name) => ({ section, field: USER_PERMISSIONS[name], value: ON })),
      {
        section,
        field: 'All others',
        value: OFF,
        why: 'Objects and fields of the integration belong to separate permission sets',
      },
      {
        section: 'Manage Assignments',
        field: 'Add Assignment',
        value: username ?? 'the user to act as',
      },
    ],
  }
}
