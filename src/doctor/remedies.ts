/** Remedies for checks that fail by a problem without its own remedy. The remedies in the table of problems are for callers of the API. */
import type { BrokerError } from '../errors/errors.ts'
import type { ProblemCode } from '../errors/problems.ts'
import { problemRemedyOf } from '../http/problems/remedy.ts'

type Failing = 'definition' | 'key_pair' | 'login_host' | 'mint' | 'instance_url'

interface Remedies {
  readonly of: Partial<Readonly<Record<ProblemCode, string>>>
  readonly otherwise: string
}

const WAIT = 'Wait as long as `Retry-After` says'
const STORE = 'Check the store and the network to it (/readyz has its state), and test again.'

export const REMEDIES: Readonly<Record<Failing, Remedies>> = {
  definition: {
    of: {
      record_corrupt:
        'Check whether VALETKEY_KEYRING lost a key, and restore it; otherwise write the credential again with PATCH /integrations/{name}.',
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
      token_not_bound:
        'Connect the integration again if it uses a refresh token; let the app require DPoP (Setup → External Client App Manager → (your app) → Settings → OAuth Settings); or remove dpop from identity.expect, which lets bearer tokens pass.',
      integration_not_connected:
        'Let a Salesforce user connect it: POST /integrations/{name}/connections.',
      login_budget_exhausted: `${WAIT}, and test again. If the problem persists: find the caller with most requests (GET /integrations/{name}/callers), and raise logins_per_hour if the load is expected.`,
      salesforce_unavailable: `${WAIT}, and test again; check status.salesforce.com, and the proxy and the firewall between this service and the host of login_url.`,
      salesforce_timeout: `${WAIT}, and test again; check status.salesforce.com, and the proxy and the firewall between this service and the host of login_url.`,
      token_response_invalid:
        'Compare login_url with the My Domain of the org (Setup → My Domain): a renamed My Domain and a deleted sandbox give such answers.',
      integration_not_found: 'It was deleted during the test: look it up with GET /integrations.',
      integration_disabled:
        'It was disabled during the test: set enabled to true, if it is needed.',
      integration_frozen:
        'An operator froze it: GET /freezes says why. Lift the freeze with DELETE /freezes/{id}, and test again.',
      integration_draft:
        'It was changed during the test: GET /integrations/{name}/setup shows what is missing.',
      record_corrupt:
        'Check whether VALETKEY_KEYRING lost a key, and restore it; otherwise write the credential again with PATCH /integrations/{name}.',
      store_unavailable: STORE,
    },
    otherwise: 'Follow its detail, and test again.',
  },
  instance_url: {
    of: {
      salesforce_unavailable: `${WAIT}, and test again; check status.salesforce.com, and the proxy and the firewall between this service and the host of instance_url.`,
      salesforce_timeout: `${WAIT}, and test again; check status.salesforce.com, and the proxy and the firewall between this service and the host of instance_url.`,
      token_response_invalid:
        'Check whether the host of instance_url is the My Domain of the org (Setup → My Domain), and whether a proxy answers in its place.',
    },
    otherwise: 'Check whether the host of instance_url is the My Domain of the org.',
  },
}

export function remedyAt(check: keyof typeof REMEDIES, error: BrokerError): string {
  const { of, otherwise } = REMEDIES[check]
  const { code, status, retryAfterMs, remedy, members } = error
  // A remedy for the token endpoint does not apply to an instance.
  const isOwn = check !== 'instance_url' || members.salesforce !== undefined
  const text = (isOwn ? remedy : undefined) ?? of[code] ?? otherwise
  return problemRemedyOf({ code, status, retryAfterMs, remedy: text })
}
