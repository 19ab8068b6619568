// Made by `npm run generate` from openapi.yaml.

import type { CheckOfAToken, Proofs, Token, WhatTheCallerSaw } from './tokens.ts'

export interface TokensOperations {
  /** A Salesforce access token of an integration. */
  readonly getToken: {
    readonly path: { readonly integration: string }
    readonly query?: { readonly min_ttl?: number; readonly rejected?: string }
    readonly answer: Token
  }
  /** Revoke the current access token, at Salesforce and everywhere. */
  readonly revokeToken: {
    readonly path: { readonly integration: string }
    readonly answer: undefined
  }
  /** A token that is bound to a key of this service, with a proof for each request. */
  readonly proveRequests: {
    readonly path: { readonly integration: string }
    readonly body: {
      /** The requests that will be sent now, one proof for each try. None: the answer has the token and `instance_url`. */
      readonly requests: readonly {
        readonly method: string
        /** Absolute, as it will be called. The proof covers it up to the query; a query is looked at for `_HttpMethod` alone. */
        readonly url: string
      }[]
      /** The `token_id` of the token that you have. If another one is current, the answer has that, and proofs for it. */
      readonly token_id?: string
      /** The `token_id` that Salesforce answered with 401: another token is wanted. One mint runs, however many ask. */
      readonly rejected?: string
      /** The `DPoP-Nonce` that came with `use_dpop_nonce` (status 400 or 401). It counts for your proofs, until this service learns another one, and not for a token that replaces the rejected one. */
      readonly nonce?: string
    }
    readonly answer: Proofs
  }
  /** Find out why the token of an integration does not work where it is used. */
  readonly checkToken: {
    readonly path: { readonly integration: string }
    readonly body: WhatTheCallerSaw
    readonly answer: CheckOfAToken
  }
}
