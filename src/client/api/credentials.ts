// Made by `npm run generate` from openapi.yaml.

import type { KeyReference, PlaceInAVault } from './forms.ts'

/** What the person at Salesforce needs. Only shown in this answer. */
export interface BegunConnection {
  readonly id: string
  /** `authorization_code`: a person opens a link and decides in a browser. Needs `VALETKEY_PUBLIC_URL`. `device`: a person enters a code at Salesforce. Since 30 November 2026, it works for few apps only. */
  readonly flow: 'authorization_code' | 'device'
  /** `pending`: nobody has decided at Salesforce yet. `connected`: the integration has the refresh token. `denied`: the person at Salesforce said no. `expired`: nobody came back in time: nobody decided, or Salesforce showed its own error page, which does not come back here. `failed`: it was allowed, and did not work; `reason` and `refusal` say why. */
  readonly status: 'pending' | 'connected' | 'denied' | 'expired' | 'failed'
  readonly expires_at: string
  /** For the person who decides. Anybody with this link can complete the connection, so send it like a secret. */
  readonly authorization_url?: string
  /** The person enters it at `verification_uri`. */
  readonly user_code?: string
  readonly verification_uri?: string
  /** Restrictions of Salesforce. */
  readonly warning?: string
}

export interface Certificate {
  readonly subject: string
  /** Hexadecimal. */
  readonly serial: string
  readonly fingerprint_sha256: string
  readonly not_before: string
  readonly not_after: string
  readonly key_bits: number
  readonly pem: string
}

/** The progress of a connection, which can be read for 7 days. */
export interface Connection {
  readonly id: string
  readonly integration: string
  /** `authorization_code`: a person opens a link and decides in a browser. Needs `VALETKEY_PUBLIC_URL`. `device`: a person enters a code at Salesforce. Since 30 November 2026, it works for few apps only. */
  readonly flow: 'authorization_code' | 'device'
  /** `pending`: nobody has decided at Salesforce yet. `connected`: the integration has the refresh token. `denied`: the person at Salesforce said no. `expired`: nobody came back in time: nobody decided, or Salesforce showed its own error page, which does not come back here. `failed`: it was allowed, and did not work; `reason` and `refusal` say why. */
  readonly status: 'pending' | 'connected' | 'denied' | 'expired' | 'failed'
  /** Id of the principal. */
  readonly begun_by: string
  readonly began_at: string
  readonly expires_at: string
  readonly ended_at: string | null
  /** Null: all scopes of the app. */
  readonly scopes: readonly string[] | null
  /** Why it failed: the code of a problem, or interrupted, integration_changed, integration_frozen, permission_lost, superseded, refresh_token_missing, signature_invalid. */
  readonly reason: string | null
  /** The explanation, for people. */
  readonly detail: string | null
  /** The remedy, for people. */
  readonly remedy: string | null
  /** The answer of Salesforce, as in a problem `grant_refused`. */
  readonly refusal: Readonly<Record<string, unknown>> | null
  /** Identity of its tokens: `org_id`, `user_id`, `instance_url`. */
  readonly identity: Readonly<Record<string, unknown>> | null
}

export interface ConnectionToBegin {
  /** `authorization_code`: a person opens a link and decides in a browser. Needs `VALETKEY_PUBLIC_URL`. `device`: a person enters a code at Salesforce. Since 30 November 2026, it works for few apps only. */
  readonly flow: 'authorization_code' | 'device'
  /** A subset of the scopes of the app. `refresh_token` is added. Default: all scopes of the app. */
  readonly scopes?: readonly string[]
}

export interface Credential {
  readonly id: string
  readonly type: 'certificate' | 'client_secret' | 'refresh_token'
  readonly state: 'pending' | 'staged' | 'active' | 'retired'
  /** Consumer key of its client. */
  readonly client_id: string | null
  readonly created_at: string
  readonly activated_at: string | null
  /** Earliest time of erasure of a retired credential. Each refusal of the active one postpones it. */
  readonly retires_at: string | null
  readonly certificate: Certificate | null
  readonly signer?: KeyReference
  /** Members whose values are in a vault, and where. */
  readonly sources?: Readonly<Record<string, SourceOfASecret>>
  /** PKCS#10 in PEM, which a CA signs. Present while the credential is pending. */
  readonly csr?: string
}

/** The credentials and their states. */
export interface CredentialList {
  readonly items: readonly Credential[]
}

/** The progress of a deployment of a credential to Salesforce. */
export interface Deployment {
  /** Id of the credential. */
  readonly credential: string
  /** `requested`: It will be uploaded, or its pair of key and secret staged. `uploaded`: Salesforce has the archive, and has not begun. `deploying`: Salesforce is deploying it. `staging`: Salesforce makes a pair of key and secret beside the one in use. `deployed`: The app has it; it is proven again and again while that spreads. `proven`: Salesforce took it in a real mint. `activated`: It is the active credential; of a secret, the former pair ends at Salesforce after the quiet time. `retired`: Of a secret: the former pair has ended at Salesforce. `failed`: Given up; the former credential works as before. */
  readonly phase:
    | 'requested'
    | 'uploaded'
    | 'deploying'
    | 'staging'
    | 'deployed'
    | 'proven'
    | 'activated'
    | 'retired'
    | 'failed'
  /** The phase in which it failed. */
  readonly failed_in:
    | 'requested'
    | 'uploaded'
    | 'deploying'
    | 'staging'
    | 'deployed'
    | 'proven'
    | 'activated'
    | 'retired'
    | 'failed'
    | null
  /** Why it failed, or why the last try failed: the code of a problem, or token_refused, request_refused, deployment_failed, permission_lost, app_differs, slot_taken, pair_gone, taken_back. */
  readonly reason: string | null
  /** Explanation for people. */
  readonly detail: string | null
  /** For a certificate: the id that Setup → Deployment Status shows. */
  readonly deploy_id: string | null
  readonly requested_at: string
  readonly updated_at: string
  /** Failed tries in this phase. */
  readonly tries: number
  readonly next_try_at: string | null
}

export interface SourceOfASecret {
  readonly vault: PlaceInAVault
  /** Of KV version 2: what was read. */
  readonly version_in_use?: number
}

/** The new credential, and what to do next. */
export interface StagedCredential extends Credential {
  /** Only in answers of writes: corrections of a key or a certificate that was not plain PEM. Absent if there were none. */
  readonly normalized?: readonly string[]
  /** Only in answers of writes: warnings about an accepted certificate. */
  readonly warnings?: readonly string[]
  /** What to do next, for people. */
  readonly next: string
}
