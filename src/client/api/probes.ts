// Made by `npm run generate` from openapi.yaml.

export interface DPoPProbe {
  readonly probe:
    | 'token_nonce'
    | 'binds'
    | 'other_key'
    | 'without_proof'
    | 'same_key'
    | 'rs256'
    | 'eddsa'
    | 'works'
    | 'resource_nonce'
    | 'as_bearer'
    | 'htu_slash'
    | 'htu_port'
    | 'htu_query'
    | 'htu_case'
    | 'iat_minus_295'
    | 'iat_minus_55'
    | 'iat_minus_25'
    | 'iat_plus_25'
    | 'iat_plus_55'
    | 'iat_plus_295'
    | 'replay'
    | 'userinfo'
    | 'introspection'
    | 'soap'
    | 'bulk'
    | 'cometd'
    | 'revoke_without_proof'
    | 'nonce_age'
    | 'bulk_upload'
    | 'pub_sub'
    | 'data_cloud'
  readonly question: string
  /** `unclear`: an answer of another kind, or none. `not_run`: `detail` says why. */
  readonly result: 'yes' | 'no' | 'unclear' | 'not_run'
  /** The status, and the name of the error. */
  readonly detail: string
}

/** It names no integration, org, host, user or client, and has no secret. */
export interface DPoPReport {
  readonly at: string
  /** The type of the grant. */
  readonly grant: string
  /** `required`: the app refuses requests without a proof. `allowed`: it also gives bearer tokens. `unknown`: the grant binds no token, or the answers do not tell. */
  readonly posture: 'allowed' | 'required' | 'unknown'
  /** Of the org, which tells its release. Null: unknown. */
  readonly newest_api_version: string | null
  /** Token requests of this run. */
  readonly logins_used: number
  /** Most token requests of one run. */
  readonly logins_allowed: number
  readonly probes: readonly DPoPProbe[]
}
