/** What an integration without an app of its own needs in Salesforce: more of the app whose token it exchanges. */
import { type Blueprint, MANAGER } from './blueprint.ts'
import type { SetupStep } from './step.ts'

export function sourceStep({ recipe }: Blueprint, source: string): SetupStep {
  const section = 'API (Enable OAuth Settings)'
  return {
    title: `Let the app of ${source} use it`,
    where: `${MANAGER} → (the app of ${source}) → Settings`,
    fields: [
      ...recipe.scopes.map(({ label, name }) => ({
        section,
        field: 'OAuth Scopes',
        value: `${label} (${name})`,
        why: 'Beside those that it has',
      })),
      {
        section: 'User',
        field: 'Permission set',
        value: 'one for Data Cloud',
        why: `For the user that ${source} acts as`,
      },
      {
        section: 'Source',
        field: `GET /integrations/${source}/setup`,
        value: 'its own sheet',
        why: 'Its token is what is exchanged',
      },
    ],
  }
}
