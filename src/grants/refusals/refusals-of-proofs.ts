/** Refusals about DPoP proofs (RFC 9449). Experimental: the texts come from mobile SDKs of Salesforce and from the standard. */
import { ANY, type RefusalRow, SETTINGS_PATH } from './refusal-row.ts'

export const REFUSALS_OF_PROOFS = {
  dpop_required: {
    class: 'permanent',
    texts: ['missing required dpop'],
    errors: [],
    propagates: true,
    of: ANY,
    cause: 'The app requires DPoP, and the request was not bound to a key.',
    remedy:
      'Set dpop of the integration to {"mode": "on"}; what a person approved before must then be approved anew. Or clear "Require DPoP" in the app: Salesforce may bind no tokens for this grant.',
    setupPath: SETTINGS_PATH,
  },
  dpop_proof_invalid: {
    class: 'permanent',
    texts: [],
    errors: ['invalid_dpop_proof'],
    of: ANY,
    cause:
      'Salesforce does not accept the DPoP proof: the key is not the one that it knows, login_url is not the My Domain, or the clock of this host is wrong.',
    remedy:
      'Check the clock, and that login_url is the My Domain (Setup → My Domain). If a person approved the integration and its key is lost, the person must approve it anew: POST /integrations/{name}/connections.',
    setupPath: null,
  },
  dpop_nonce_wanted: {
    class: 'transient',
    texts: [],
    errors: ['use_dpop_nonce'],
    of: ANY,
    cause: 'Salesforce wants another nonce in the DPoP proof than the one that it gave last.',
    remedy: 'Nothing, if it is rare: the next request has the new nonce.',
    setupPath: null,
  },
} as const satisfies Record<string, RefusalRow>
