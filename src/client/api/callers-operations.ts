// Made by `npm run generate` from openapi.yaml.

import type { APIKey, APIKeyList, NewAPIKey, Principal } from './callers.ts'

export interface CallersOperations {
  /** Who you are, and what you may do. */
  readonly whoAmI: {
    readonly answer: Principal
  }
  /** Make an API key. */
  readonly createApiKey: {
    readonly body: {
      /** The id of the principal is `api-key:NAME`. */
      readonly name: string
      readonly permissions: APIKey['permissions']
      /** `*` is any run of characters, nothing else is special. */
      readonly integrations: readonly string[]
      /** The integration must have all of these labels. */
      readonly labels?: Readonly<Record<string, string>>
      /** Requests to Salesforce, each as `METHOD /path`. `tokens:read` then counts only at `/gateway`, for these requests. `tokens:prove` counts only with `requests`, for proofs of these requests. `*` is any method; in the path, any run of characters without a slash, and as the last segment any rest. The query is not looked at. With it, no other door hands out a token. */
      readonly requests?: readonly string[]
      /** Networks from which the key counts: each an IP address, or a CIDR such as `10.0.0.0/8`. From elsewhere it is an unknown key. Behind a proxy, `VALETKEY_TRUST_PROXY` must name the proxy. Left out: everywhere. */
      readonly networks?: readonly string[]
      /** Most seconds that `POST /oauth/token` says as `expires_in`, for clients that keep a token for a part of its life. Left out: what is left of its life. */
      readonly max_expires_in?: number
      /** No later than the end of the key that it is made with. Left out: in a year, or at that end. */
      readonly expires_at?: string
    }
    readonly answer: NewAPIKey
  }
  /** The API keys that you may revoke. */
  readonly listApiKeys: {
    readonly query?: { readonly limit?: number; readonly cursor?: string }
    readonly answer: APIKeyList
  }
  /** Revoke an API key. */
  readonly deleteApiKey: {
    readonly path: { readonly id: string }
    readonly query?: { readonly with?: 'children' }
    readonly answer: undefined
  }
}
