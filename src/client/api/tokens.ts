// Made by `npm run generate` from openapi.yaml.

/** Why a token does not work for a caller. */
export interface CheckOfAToken {
  readonly integration: string
  /** `none`: The token works at both places. `other_token`: The caller used a different token than the current one. `wrong_instance`: The caller called another host than the one that the token is good for. `address_lock`: The same token works from the address of this service, and is unknown to Salesforce from that of the caller: sessions are locked to the address that they come from. `address_policy`: The same token works from the address of this service, and may not call the API from that of the caller: an IP policy or a policy of the user forbids it there. `scope`: The token lacks the scope api, at both places. `api_access`: The token may not call the API, at both places. `token_dead`: Salesforce does not know the session any more, at both places. `unreachable`: The caller gets no answer of Salesforce, and this service does. `unlike`: The caller gets an answer that this service does not get. `refused`: Salesforce refuses the call at both places. `unreachable_here`: This service gets no answer of Salesforce, so that nothing can be compared. */
  readonly difference:
    | 'none'
    | 'other_token'
    | 'wrong_instance'
    | 'address_lock'
    | 'address_policy'
    | 'scope'
    | 'api_access'
    | 'token_dead'
    | 'unreachable'
    | 'unlike'
    | 'refused'
    | 'unreachable_here'
  readonly detail: string
  /** Null if there is nothing to do. */
  readonly remedy: string | null
  readonly token_id: string
  readonly instance_url: string
  readonly scope?: string
  /** The result of this service with the same token, at most 10 seconds old. */
  readonly here: {
    /** Null: Salesforce did not answer. */
    readonly status: number | null
    /** Empty if there is none. */
    readonly error_code: string
    /** Empty if there is none. */
    readonly message: string
  }
}

/** Experimental. A bound access token, with a proof for each request. */
export interface Proofs {
  readonly integration: string
  readonly token_type: 'DPoP'
  /** The token for the header `Authorization: DPoP …`. It works with a proof only. */
  readonly access_token: string
  /** Public fingerprint of the token, which may be logged. */
  readonly token_id: string
  /** Host for API calls with this token. */
  readonly instance_url: string
  /** Remaining lifetime in seconds. */
  readonly expires_in: number
  /** For the header `DPoP`, in the order of `requests`. Each is for one request. */
  readonly proofs: readonly string[]
}

/** An access token and its host. */
export interface Token {
  readonly integration: string
  /** The token for the header `Authorization: Bearer …`. */
  readonly access_token: string
  readonly token_type: 'Bearer'
  /** Host for API calls with this token. */
  readonly instance_url: string
  readonly api_instance_url?: string
  readonly scope?: string
  readonly issued_at: string
  readonly expires_at: string
  /** Remaining lifetime in seconds. */
  readonly expires_in: number
  readonly expiry_source: 'expires_in' | 'token_exp' | 'introspection' | 'configured'
  /** Public fingerprint of the token, which may be logged. */
  readonly token_id: string
  /** Experimental. Present if the token was requested with a DPoP proof, and Salesforce answered with a bearer token all the same. */
  readonly bound?: false
  readonly org_id?: string
  readonly user_id?: string
  readonly identity_url?: string
}

export interface WhatTheCallerSaw {
  /** The answer to a REST call with the token. */
  readonly seen: {
    /** Null: Salesforce did not answer. */
    readonly status: number | null
    /** `errorCode` of the answer. */
    readonly error_code?: string
    readonly message?: string
    /** Host that was called. Default: the host of `instance_url`. */
    readonly host?: string
    /** Id of the token that was sent. Default: the current token. */
    readonly token_id?: string
  }
}
