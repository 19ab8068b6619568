/** Rows of the table of problems about tokens that work only with proofs. */
export const DPOP_PROBLEMS = {
  token_bound: {
    status: 409,
    title: 'The token works only with proofs',
    meaning:
      'Experimental. The integration has `"dpop": {"mode": "on"}`, and Salesforce bound its token to a key that stays in the broker. Each request needs a proof (RFC 9449) that is signed for it, so the token alone opens nothing, and most libraries would send it as a bearer token.',
    remedy:
      'Ask an operator to set `dpop` of the integration to `{"mode": "off"}`, if the client cannot send proofs.',
  },
  token_not_bound: {
    status: 424,
    title: 'The token is not bound to a key',
    meaning:
      'Experimental. The integration has `"expect": {"dpop": true}`, and Salesforce gave a bearer token. The app, the grant or the org may not support DPoP, or the refresh token is older than `dpop`.',
    remedy:
      'Connect the integration again if it uses a refresh token; let the app require DPoP; or remove `dpop` from `identity.expect`, which lets bearer tokens pass.',
  },
} as const
