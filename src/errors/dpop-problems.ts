/** Rows of the table of problems about tokens that work only with proofs. */
export const DPOP_PROBLEMS = {
  token_bound: {
    status: 409,
    title: 'The token works only with proofs',
    meaning:
      'Experimental. The integration has `"dpop": {"mode": "on"}`, and Salesforce bound its token to a key that stays in the broker. Each request needs a proof (RFC 9449) that is signed for it, so the token alone opens nothing, and most libraries would send it as a bearer token.',
    remedy:
      'Ask for the token and a proof at `POST /tokens/{name}/proofs`, which takes `tokens:prove`, or let a gateway ask at `/gateway/{name}`, which takes `tokens:read` with `requests`. If neither is possible, ask an operator to set `dpop` of the integration to `{"mode": "off"}`.',
  },
  nothing_to_prove: {
    status: 409,
    title: 'The token needs no proofs',
    meaning:
      'Experimental. Proofs were asked for, and Salesforce bound the token of this integration to no key: `dpop` of the integration is off, or Salesforce answered the proof with a bearer token.',
    remedy:
      'Set `dpop` of the integration to `{"mode": "on"}`, and let the app at Salesforce require DPoP. Or fetch the bearer token with `GET /tokens/{name}`, which takes `tokens:read`.',
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
