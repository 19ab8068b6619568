/** Compares a token check of this service with that of a caller, and names the difference. Pure. */

import { isGood, type RestSight } from '../../grants/org-api/rest-sight.ts'
import { type RestRefusal, restRefusalIn } from '../../grants/refusals/rest-refusal.ts'

export interface CallersSight extends RestSight {
  /** Host that was called. Absent: the token's own host. */
  readonly host?: string
  /** Id of the token that was sent. Absent: the current token. */
  readonly tokenId?: string
}

interface Facts {
  readonly tokenId: string
  readonly instanceHost: string
  readonly scope: string | undefined
}

const LOCK = 'Setup → Session Settings → Lock sessions to the IP address from which they originated'

/** A closed list of differences, each with its meaning and its remedy. */
export const DIFFERENCES = {
  none: { meaning: 'The token works at both places', remedy: null },
  other_token: {
    meaning: 'The caller used a different token than the current one',
    remedy: 'Ask for the token again, and do not keep one longer than its expires_in.',
  },
  wrong_instance: {
    meaning: 'The caller called another host than the one that the token is good for',
    remedy: 'Send the calls to the instance_url that comes with the token.',
  },
  address_lock: {
    meaning:
      'The same token works from the address of this service, and is unknown to Salesforce from that of the caller: sessions are locked to the address that they come from',
    remedy: `Turn it off: ${LOCK}. Or let both go out through the same address.`,
  },
  address_policy: {
    meaning:
      'The same token works from the address of this service, and may not call the API from that of the caller: an IP policy or a policy of the user forbids it there',
    remedy:
      'Relax the IP restrictions of the app, or allow the address of the caller: Login IP Ranges of the profile; Setup → Session Settings → Enforce login IP ranges on every request.',
  },
  scope: {
    meaning: 'The token lacks the scope api, at both places',
    remedy:
      'Add the scope "Manage user data via APIs (api)" to the app, wait up to 10 minutes, and revoke the token: Salesforce hands out the same until then.',
  },
  api_access: {
    meaning: 'The token may not call the API, at both places',
    remedy:
      'Look at the IP policy of the app, at Session Security Level Required at Login of the profile, and at API Access Control.',
  },
  token_dead: {
    meaning: 'Salesforce does not know the session any more, at both places',
    remedy: 'Request the token with ?rejected= and the token_id, to get another one.',
  },
  unreachable: {
    meaning: 'The caller gets no answer of Salesforce, and this service does',
    remedy:
      'Check the DNS, the proxy and the firewall between the caller and the host of instance_url.',
  },
  unlike: {
    meaning: 'The caller gets an answer that this service does not get',
    remedy:
      'Compare the path and the API version of the call with those of a call that works, and look up the status and the error code of the answer in the REST API guide of Salesforce.',
  },
  refused: {
    meaning: 'Salesforce refuses the call at both places',
    remedy:
      'Look up the status and the error code of the answer in the REST API guide of Salesforce.',
  },
  unreachable_here: {
    meaning: 'This service gets no answer of Salesforce, so that nothing can be compared',
    remedy: 'Check the proxy and the firewall of this service, and run the check again.',
  },
} as const satisfies Record<string, { readonly meaning: string; readonly remedy: string | null }>

export type Difference = keyof typeof DIFFERENCES

export interface Finding {
  readonly difference: Difference
  readonly detail: string
  /** Null: no action is needed. */
  readonly remedy: string | null
}

export function findingOf(there: CallersSight, here: RestSight, facts: Facts): Finding {
  const difference = differenceOf(there, here, facts)
  const { meaning, remedy } = DIFFERENCES[difference]
  // Salesforce's own answer has a more precise explanation.
  const refusal = SPEAKING.includes(difference) ? (refusalOf(there) ?? refusalOf(here)) : undefined
  return {
    difference,
    detail: refusal ? `${meaning}. ${refusal.cause}` : `${meaning}.`,
    remedy: refusal ? setupText(refusal) : remedy,
  }
}

const SPEAKING: readonly Difference[] = ['unlike', 'refused']

const setupText = ({ remedy, setupPath }: RestRefusal) =>
  setupPath === null ? remedy : `${remedy} In Salesforce: ${setupPath}.`

const refusalOf = ({ status, errorCode, message }: RestSight): RestRefusal | undefined =>
  status === null || status < 400 ? undefined : restRefusalIn({ status, errorCode, message })

function differenceOf(there: CallersSight, here: RestSight, facts: Facts): Difference {
  if (there.tokenId !== undefined && there.tokenId !== facts.tokenId) return 'other_token'
  if (isGood(there)) return 'none'
  const isElsewhere = there.host !== undefined && there.host !== facts.instanceHost
  if (isElsewhere) return 'wrong_instance'
  if (here.status === null) return 'unreachable_here'
  if (there.status === null) return 'unreachable'
  const refusal = refusalOf(there)
  if (isGood(here)) return refusal ? (AT_ONE_PLACE[refusal.verdict] ?? 'unlike') : 'unlike'
  if (refusal?.reason !== refusalOf(here)?.reason) return 'unlike'
  if (refusal?.reason === 'session_invalid') return 'token_dead'
  if (refusal?.reason !== 'api_not_allowed') return 'refused'
  return lacksApi(facts.scope) ? 'scope' : 'api_access'
}

const AT_ONE_PLACE: Readonly<Partial<Record<RestRefusal['verdict'], Difference>>> = {
  dead: 'address_lock',
  no_api: 'address_policy',
}

const lacksApi = (scope: string | undefined): boolean =>
  scope !== undefined && !scope.split(' ').some((one) => one === 'api' || one === 'full')
