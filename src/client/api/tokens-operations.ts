// Made by `npm run generate` from openapi.yaml.

import type { CheckOfAToken, Token, WhatTheCallerSaw } from './tokens.ts'

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
  /** Find out why the token of an integration does not work where it is used. */
  readonly checkToken: {
    readonly path: { readonly integration: string }
    readonly body: WhatTheCallerSaw
    readonly answer: CheckOfAToken
  }
}
