/** Every refusal that Salesforce is known to give. */
import { type Explanation, type RefusalRow, USER } from './refusal-row.ts'
import { REFUSALS_OF_APPS } from './refusals-of-apps.ts'
import { REFUSALS_OF_REQUESTS } from './refusals-of-requests.ts'
import { REFUSALS_OF_USERS } from './refusals-of-users.ts'

/** Keyed by reason, the public name. The first row that fits wins, so narrow texts stand first. */
export const REFUSALS = {
  ...REFUSALS_OF_USERS,
  ...REFUSALS_OF_APPS,
  ...REFUSALS_OF_REQUESTS,
  unrecognised: {
    class: 'permanent',
    texts: [],
    errors: [],
    cause: 'Salesforce refused in words that are not known here.',
    remedy:
      'Read error_description and the Login History of the user; POST /integrations/{name}/test checks the rest.',
    setupPath: `${USER} → Login History`,
  },
} as const satisfies Record<string, RefusalRow>

/** For a refusal of a kind that the request cannot get. */
export const MISFIT: Explanation = {
  cause: 'Salesforce gives a reason that does not fit what was asked for.',
  remedy:
    'Read error_description and the Login History of the user; look for a proxy on the way that changes requests.',
  setupPath: `${USER} → Login History`,
}

/** A closed list: a public name, and a metric label. */
export type RefusalReason = keyof typeof REFUSALS
