import { DPOP_PROBLEMS } from './dpop-problems.ts'
import { FREEZE_PROBLEMS } from './freeze-problems.ts'
import { SIGNER_PROBLEMS } from './signer-problems.ts'

/** One row of the table of problems. Texts are Markdown for people. */
export interface ProblemRow {
  readonly status: number
  /** Status if the problem is temporary; always sent with `Retry-After`. Default: none. */
  readonly waitingStatus?: number
  readonly title: string
  readonly meaning: string
  /** `{name}` stands for the integration, if there is one. */
  readonly remedy: string
}

/**
 * Every problem that this service can answer: its status, its title, what it means, and what to
 * do about it. The OpenAPI document, `/problems` and `docs/errors.md` are generated from here.
 */
export const PROBLEMS = {
  request_invalid: {
    status: 400,
    title: 'The request is not valid',
    meaning: 'A member of the body, query, path or headers does not validate; `detail` names it.',
    remedy: 'Correct the member that `detail` names and send the request again.',
  },
  secret_in_url: {
    status: 400,
    title: 'A secret is in the URL',
    meaning:
      'The query has a key, a token or an assertion. Logs of proxies and servers contain URLs, so the request is refused whether the secret is valid or not.',
    remedy:
      'Send the secret in the body or in `Authorization`, and replace the key, because others may have read it.',
  },
  caller_unauthenticated: {
    status: 401,
    title: 'The caller is not authenticated',
    meaning: 'The request has no credential, or its credential does not verify.',
    remedy: 'Send one valid credential as `Authorization: Bearer …`.',
  },
  caller_forbidden: {
    status: 403,
    title: 'The caller may not do this',
    meaning:
      'The caller lacks the permission, or the integration does not exist. Both cases have the same answer, so that names cannot be probed.',
    remedy: 'Ask an operator for the permission on this integration; `GET /whoami` lists yours.',
  },
  request_not_allowed: {
    status: 403,
    title: 'The request to Salesforce is not allowed',
    meaning:
      'The caller may read the token, or have proofs, for some requests to Salesforce (`requests`), and this is none of them; or the gateway did not say which request it is, or one that can be read in two ways; or the caller asked for a token without a request. No proof is signed for another host, or for token endpoints and identities. None is signed for a path that stands for many different requests, such as `composite`, unless a pattern names it.',
    remedy:
      'Ask at `/gateway/{name}`, or for a proof, for a request that `requests` in `GET /whoami` permits, or ask an operator to permit this one.',
  },
  integration_not_found: {
    status: 404,
    title: 'There is no such integration',
    meaning: 'No integration has this name.',
    remedy: 'Look the name up with `GET /integrations`.',
  },
  credential_not_found: {
    status: 404,
    title: 'There is no such credential',
    meaning: 'No credential has this id. Retired credentials are erased after a time.',
    remedy: 'Look the id up with `GET /integrations/{name}/credentials`.',
  },
  api_key_not_found: {
    status: 404,
    title: 'There is no such API key',
    meaning: 'No API key has this id.',
    remedy: 'Look the id up with `GET /api-keys`.',
  },
  not_found: {
    status: 404,
    title: 'There is nothing at this path',
    meaning: 'The API has no such path.',
    remedy: 'See `/docs` or `/openapi.json` for the paths.',
  },
  method_not_allowed: {
    status: 405,
    title: 'The method is not allowed here',
    meaning: 'The path exists, but not with this method.',
    remedy: 'Use a method that the `Allow` header names.',
  },
  not_acceptable: {
    status: 406,
    title: 'No acceptable representation',
    meaning: 'The `Accept` header excludes every representation of this resource.',
    remedy: 'Accept `application/json`, or omit the header.',
  },
  request_timeout: {
    status: 408,
    title: 'The request took too long to arrive',
    meaning: 'The request was not received in full in time.',
    remedy: 'Send the request again; check the network if this happens often.',
  },
  integration_disabled: {
    status: 409,
    title: 'The integration is disabled',
    meaning: 'An operator set `enabled` to false.',
    remedy: 'Enable it with `PATCH /integrations/{name}` `{"enabled": true}`.',
  },
  ...FREEZE_PROBLEMS,
  integration_draft: {
    status: 409,
    title: 'The integration is a draft',
    meaning: 'It lacks a client id or a credential, so no token can be requested.',
    remedy: 'Add what is missing; `GET /integrations/{name}/setup` shows the next step.',
  },
  integration_not_connected: {
    status: 409,
    title: 'The integration is not connected',
    meaning: 'It needs a refresh token and has none that works.',
    remedy: 'Connect it with `POST /integrations/{name}/connections`.',
  },
  grant_unfit: {
    status: 409,
    title: 'The operation does not fit the grant of the integration',
    meaning: 'The operation applies only to integrations with another grant.',
    remedy: 'See `grant` in `GET /integrations/{name}`; `docs/grants.md` describes each grant.',
  },
  managed_by_file: {
    status: 409,
    title: 'The configuration file owns this integration',
    meaning: 'Integrations declared in the configuration file are edited there.',
    remedy: 'Change the configuration file; it is read again within 10 seconds.',
  },
  token_still_live: {
    status: 409,
    title: 'The rejected token is still alive',
    meaning: 'Salesforce issued the same token again, so expiry did not cause the 401.',
    remedy:
      'Run `valetkey check-token` where the token is used: it names the cause. Common causes: sessions are locked to the IP address from which they originated (Setup → Session Settings), calls go to a host other than `instance_url`, the app lacks the scope `api`, or its IP policy forbids the address.',
  },
  credential_rejected: {
    status: 409,
    title: 'Salesforce rejected the credential',
    meaning: 'Salesforce refused a token request with this credential, so nothing was changed.',
    remedy: 'Follow `refusal.remedy`: most often the app does not know the credential yet.',
  },
  credential_state: {
    status: 409,
    title: 'The credential is not in a state for this',
    meaning: 'The operation does not fit the state, or another credential is staged.',
    remedy: 'See the states with `GET /integrations/{name}/credentials`.',
  },
  token_bound: DPOP_PROBLEMS.token_bound,
  nothing_to_prove: DPOP_PROBLEMS.nothing_to_prove,
  another_version: {
    status: 409,
    title: 'Another version wrote this',
    meaning:
      'A newer release wrote the record in a form, or with a grant, a credential or a state, that this replica does not know. The record is not changed.',
    remedy:
      'Finish the update: bring every replica to the release that wrote the record. Until then, only replicas of that release can answer.',
  },
  conflict: {
    status: 409,
    title: 'Too many concurrent changes',
    meaning: 'The change lost a race against other changes ten times.',
    remedy: 'Read the current state and try again.',
  },
  integration_changed: {
    status: 412,
    title: 'The integration was changed meanwhile',
    meaning: '`If-Match` does not name the current version, or the integration exists already.',
    remedy: 'Read the integration again, and send its current ETag.',
  },
  body_too_large: {
    status: 413,
    title: 'The body is too large',
    meaning: 'A body may have at most 64 KiB.',
    remedy: 'Send a smaller body.',
  },
  uri_too_long: {
    status: 414,
    title: 'The URL is too long',
    meaning: 'The URL or one of its parts exceeds the limit.',
    remedy: 'Send a shorter URL.',
  },
  media_type_unsupported: {
    status: 415,
    title: 'The media type is not supported',
    meaning: 'The route does not accept this `Content-Type`.',
    remedy: 'Send `application/json`, or the type that `/docs` names for the route.',
  },
  credential_invalid: {
    status: 422,
    title: 'The credential is not usable',
    meaning:
      'A key, certificate, secret or token does not pass the checks; `detail` says which one and why.',
    remedy: 'Correct what `detail` names, and send the credential again.',
  },
  credential_required: {
    status: 422,
    title: 'A fresh credential is required',
    meaning: 'The change would send the stored credential to another host.',
    remedy: 'Send the credential again in the same request.',
  },
  grant_refused: {
    status: 424,
    waitingStatus: 503,
    title: 'Salesforce refused the grant',
    meaning:
      'Salesforce refused the token request; `refusal` has its words, the cause and the remedy. 424: somebody must act. 503 with `Retry-After`: the refusal is temporary, for example while a change in Setup spreads.',
    remedy: 'Follow `refusal.remedy`; `POST /integrations/{name}/test` checks the rest.',
  },
  identity_changed: {
    status: 424,
    title: 'The token belongs to another identity',
    meaning: 'The org or user of the new token differs from the pinned one.',
    remedy: 'If that is intended, accept it with `POST /integrations/{name}/identity`.',
  },
  token_not_bound: DPOP_PROBLEMS.token_not_bound,
  precondition_required: {
    status: 428,
    title: 'A precondition is required',
    meaning: 'A change to an existing integration needs `If-Match`.',
    remedy: 'Send the ETag that `GET` gave as `If-Match`, or `*` for any version.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    meaning: 'Too many failed authentications came from this address.',
    remedy: 'Wait as long as `Retry-After` says; a valid credential is accepted at once.',
  },
  login_budget_exhausted: {
    status: 429,
    title: 'The login budget is spent',
    meaning: 'More logins at Salesforce would risk locking the user out.',
    remedy: 'Wait as long as `Retry-After` says; raise `logins_per_hour` if the load is expected.',
  },
  headers_too_large: {
    status: 431,
    title: 'The headers are too large',
    meaning: 'The header section exceeds the limit.',
    remedy: 'Send fewer or smaller headers.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    meaning: 'A bug in this service; its log has the cause under `request_id`.',
    remedy: 'Report it with the `request_id`.',
  },
  token_response_invalid: {
    status: 502,
    title: 'Salesforce did not answer with a token response',
    meaning: 'The answer of the token endpoint cannot be used; `detail` says why.',
    remedy: 'Check `login_url`; a renamed My Domain or an expired sandbox answers like this.',
  },
  salesforce_unavailable: {
    status: 503,
    title: 'Salesforce is not available',
    meaning: 'The login host cannot be reached, or answers with a server error.',
    remedy: 'Wait as long as `Retry-After` says; see status.salesforce.com.',
  },
  ...SIGNER_PROBLEMS,
  store_unavailable: {
    status: 503,
    title: 'The store is not available',
    meaning: 'Redis, or the embedded store, does not answer.',
    remedy: 'Wait as long as `Retry-After` says; check the store and the network to it.',
  },
  store_reset: {
    status: 503,
    title: 'The store was reset',
    meaning: 'The store lost its content; the integration may have existed before.',
    remedy: 'Restore the store from a backup, or accept the empty store with `POST /store/accept`.',
  },
  refresh_token_doubted: {
    status: 503,
    title: 'The refresh token may have been used',
    meaning:
      'The store may be an old copy. A refresh token must not be used twice, because a second use ends the connection.',
    remedy:
      'Put the newest store back, or state whether it was restored: `POST /store/accept` with `{"restored": true}` or `{"restored": false}`.',
  },
  audit_unavailable: {
    status: 503,
    title: 'The audit trail cannot be written',
    meaning: 'Audit lines cannot be written, so nothing is handed out.',
    remedy: 'Free the disk or the reader of the audit output; recovery needs no restart.',
  },
  record_corrupt: {
    status: 503,
    title: 'A stored record cannot be opened',
    meaning: 'The record is not decryptable, fails verification, or its sealing key is missing.',
    remedy:
      'Check `VALETKEY_KEYRING`; the log names the record. Write it again, erase it with `DELETE /store/records/{kind}/{name}`, or restore a backup.',
  },
  salesforce_timeout: {
    status: 504,
    title: 'Salesforce took too long',
    meaning: 'No token arrived within the deadline.',
    remedy: 'Wait as long as `Retry-After` says; see status.salesforce.com.',
  },
} as const satisfies Record<string, ProblemRow>

export type ProblemCode = keyof typeof PROBLEMS
