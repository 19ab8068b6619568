/** All known refusals of Salesforce. */
import { type Explanation, type RefusalRow, USER } from './refusal-row.ts'
import { REFUSALS_OF_APPS } from './refusals-of-apps.ts'
import { REFUSALS_OF_PROOFS } from './refusals-of-proofs.ts'
import { REFUSALS_OF_REQUESTS } from './refusals-of-requests.ts'
import { REFUSALS_OF_USERS } from './refusals-of-users.ts'

/** Keyed by reason, the public name. The first matching row wins, so specific texts stand first. */
export const REFUSALS = {
  ...REFUSALS_OF_USERS,
  ...REFUSALS_OF_APPS,
  ...REFUSALS_OF_PROOFS,
  ...REFUSALS_OF_REQUESTS,
  unrecognised: {
    class: 'permanent',
    texts: [],
    errors: [],
    cause: 'Salesforce refused with an unknown text.',
    remedy:
      'Read error_description and the Login History of the user; POST /integrations/{name}/test checks the rest.',
    setupPath: `${USER} → Login History`,
  },
} as const satisfies Record<string, RefusalRow>

/** For a refusal that this kind of request cannot get. */
export const MISFIT: Explanation = {
  cause: 'Salesforce gives a reason that does not fit the request.',
  remedy:
    'Read error_description and the Login History of the user; look for a proxy that changes requests.',
  setupPath: `${USER} → Login History`,
}

/** Public name and label of metrics. */
export type RefusalReason = keyof typeof REFUSALS
