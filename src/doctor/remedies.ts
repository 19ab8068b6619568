/** What to do about a check that failed by a problem which does not say that itself. The words of the table of problems are for callers of the API, and not for who looks at one check. Pure. */
import type { BrokerError, ProblemCode } from '../errors/errors.ts'
import { problemRemedyOf } from '../http/problems/remedy.ts'

/** The checks that can fail by a problem. */
type Failing = 'definition' | 'key_pair' | 'login_host' | 'mint' | 'instance_url'

interface Remedies {
  readonly of: Partial<Readonly<Record<ProblemCode, string>>>
  readonly otherwise: string
}

const WAIT = 'Wait as long as `Retry-After` says'
const STORE = 'Look at the store and at the network to it (/readyz has its state), and test again.'

export const REMEDIES: Readonly<Record<Failing, Remedies>> = {
  definition: {
    of: {
      record_corrupt:
        'Look whether VALETKEY_KEYRING lost a key, and give it back; else write the credential again with PATCH /integrations/{name}.',
      store_unavailable: STORE,
    },
    otherwise: 'Correct it with PATCH /integrations/{name}, or in the file that declares it.',
  },
  key_pair: {
    of: {},
    otherwise:
      'Stage a key with the certificate that belongs to it: POST /integrations/{name}/credentials.',
  },
  login_host: {
    of: {},
    otherwise: 'Set login_url to the My Domain of the org (Setup → My Domain).',
  },
  mint: {
    of: {
      integration_not_connected:
        'Let a Salesforce user connect it: POST /integrations/{name}/connections.',
      login_budget_exhausted: `${WAIT}, and test again. If it stays: look who asks so often (GET /integrations/{name}/callers), and raise logins_per_hour if the load is real.`,
      salesforce_unavailable: `${WAIT}, and test again; look at status.salesforce.com, and at the proxy and the firewall between here and the host of login_url.`,
      salesforce_timeout: `${WAIT}, and test again; look at status.salesforce.com, and at the proxy and the firewall between here and the host of login_url.`,
      token_response_invalid:
        'Compare login_url with the My Domain of the org (Setup → My Domain): a My Domain that was renamed and a sandbox that is over answer like this.',
      integration_not_found: 'It was deleted meanwhile: look it up with GET /integrations.',
      integration_disabled: 'It was disabled meanwhile: set enabled to true, if it is wanted.',
      integration_draft:
        'It was changed meanwhile: GET /integrations/{name}/setup says what lacks.',
      record_corrupt:
        'Look whether VALETKEY_KEYRING lost a key, and give it back; else write the credential again with PATCH /integrations/{name}.',
      store_unavailable: STORE,
    },
    otherwise: 'Do what its detail says, and test again.',
  },
  instance_url: {
    of: {
      salesforce_unavailable: `${WAIT}, and test again; look at status.salesforce.com, and at the proxy and the firewall between here and the host of instance_url.`,
      salesforce_timeout: `${WAIT}, and test again; look at status.salesforce.com, and at the proxy and the firewall between here and the host of instance_url.`,
      token_response_invalid:
        'Look whether the host of instance_url is the My Domain of the org (Setup → My Domain), and whether a proxy on the way answers in its place.',
    },
    otherwise: 'Look whether the host of instance_url is the My Domain of the org.',
  },
}

/** Its own, where the error says what to do just here; else that of the check. */
export function remedyAt(check: keyof typeof REMEDIES, error: BrokerError): string {
  const { of, otherwise } = REMEDIES[check]
  const { code, status, retryAfterMs, remedy, members } = error
  // What an answer of a token endpoint calls for is not what one of an instance does.
  const isOwn = check !== 'instance_url' || members.salesforce !== undefined
  const text = (isOwn ? remedy : undefined) ?? of[code] ?? otherwise
  return problemRemedyOf({ code, status, retryAfterMs, remedy: text })
}
