// Made by `npm run generate` from openapi.yaml.

/** Generates the key in the broker, and a request that a CA signs. */
export interface CertificateRequest {
  readonly common_name: string
  readonly organization?: string
  readonly organizational_unit?: string
  readonly country?: string
  readonly key_bits?: 2048 | 3072 | 4096
}

/** The app acts as the run-as user of its policies. The credential is its secret, or, for `private_key_jwt`, a signing key. Works on the My Domain host only. */
export interface ClientCredentials {
  readonly type: 'client_credentials'
  /** Consumer key of the app. Without it the integration is a draft. */
  readonly client_id?: string
  /** How the app proves itself: its secret in the Authorization header or in the body, or an assertion signed with its key. */
  readonly client_auth?: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
}

export interface ClientSecret {
  readonly client_secret: string | SecretOfAVault
}

export interface CredentialOfAnotherIntegration {
  /** Signs with the credentials of this integration. */
  readonly from: string
}

/** Exchanges a token of another integration, whose app needs the scope `cdp_api` (and the scopes of the called APIs), for a Data Cloud token. Takes no credential and no `client_id`; `instance_url` in the answer is the host of the tenant. */
export interface DataCloud {
  readonly type: 'data_cloud'
  /** The integration whose token is exchanged. You need `tokens:read` on it. */
  readonly integration: string
  /** Name of the data space. Default: that of the org. */
  readonly dataspace?: string
}

/** Allows `POST …/deploy` to upload the certificate by the Metadata API, or to replace the client secret by the API for OAuth credentials. */
export interface DeploymentRule {
  /** The integration whose token calls Salesforce. Its user must be allowed to modify metadata, or for a secret to view client secrets. Recommended: `serve_tokens: false`. */
  readonly through: string
  /** API name of the External Client App. */
  readonly app: string
  /** For a certificate: name of the global OAuth settings of the app. Default: `APP_glbloauth`, as Setup names them. */
  readonly settings?: string
  /** Interval of automatic rotation: generates a key, or lets Salesforce generate a secret, proves it and activates it. */
  readonly rotate_every_days?: number
}

/** Former name of `deployment`. If both are present, `deployment` counts. Answers only have `deployment`. */
export type DeploymentRuleByItsFormerName = DeploymentRule

export interface IdentityRule {
  /** Default: `user` on sandbox and scratch hosts, otherwise `org_and_user`. */
  readonly pin?: 'org_and_user' | 'user' | 'off'
  readonly expect?: {
    readonly org_id?: string
    readonly user_id?: string
    readonly scopes?: readonly string[]
    /** Experimental. `true`: a token that Salesforce did not bind to a key is not served. Needs `dpop.mode` `on`. */
    readonly dpop?: boolean
  }
}

export interface ImportedKey {
  readonly private_key: string | SecretOfAVault
  readonly certificate?: string | SecretOfAVault
  readonly passphrase?: string | SecretOfAVault
}

export interface ImportedKeyAndRefreshToken extends ImportedKey {
  /** For the grant `refresh_token`. From now on, no other program may use this token. */
  readonly refresh_token: string
}

export interface ImportedKeystore {
  readonly keystore: string | SecretOfAVault
  readonly passphrase: string | SecretOfAVault
  /** Alias of the key in the keystore. Required if there are several keys. */
  readonly alias?: string
}

export interface ImportedKeystoreAndRefreshToken extends ImportedKeystore {
  /** For the grant `refresh_token`. From now on, no other program may use this token. */
  readonly refresh_token: string
}

/** A signed assertion for a user who is pre-authorized for the app. The credential is a signing key whose certificate is uploaded to the app. */
export interface JWTBearer {
  readonly type: 'jwt_bearer'
  /** Consumer key of the app. Without it the integration is a draft. */
  readonly client_id?: string
  /** Username (not email address, not id) of the Salesforce user to act as. */
  readonly username: string
  /** Audience of the assertion. Default `https://test.salesforce.com` where `login_url` is a sandbox, a scratch org or `test.`, else `https://login.salesforce.com`. Required on a custom domain and in China (`*.my.sfcrmproducts.cn`), where the host does not determine it. */
  readonly audience?: string
}

export interface KeyAtASigner {
  readonly signer: KeyReference
  readonly certificate?: string | SecretOfAVault
}

export interface KeyAtASignerAndRefreshToken {
  readonly signer: KeyReference
  /** For the grant `refresh_token`. From now on, no other program may use this token. */
  readonly refresh_token: string
  readonly certificate?: string | SecretOfAVault
}

export interface KeyAtASignerCertifiedHere {
  readonly signer: KeyReference
  readonly generate: KeyToMake
}

export interface KeyMadeHere {
  readonly generate: KeyToMake
}

/** A key that stays in Vault, OpenBao or AWS KMS, which signs with it. */
export interface KeyReference {
  /** Name of a signer in the file of `VALETKEY_SIGNERS`. */
  readonly name: string
  /** Its name or id at the signer. */
  readonly key: string
  /** Default: the version of `certificate`, or else the newest one. It stays the same when the key is rotated at the signer. */
  readonly key_version?: number
}

/** Generates the key pair in the broker. The private key never leaves it. Beside `signer`: only makes a certificate for the key that is there, and `key_bits` has no effect. */
export interface KeyToMake {
  readonly key_bits?: 2048 | 3072 | 4096
  readonly days?: number
  readonly common_name?: string
  /** Beside `signer`: rotates the key at the signer, and certifies the new version. */
  readonly new_version?: boolean
}

/** Up to 16 labels, which policies, lists and alerts can use. */
export type Labels = Readonly<Record<string, string>>

export interface PlaceInAVault {
  /** Name of a vault in the file of `VALETKEY_SIGNERS`. Default: the only one with `secrets`. */
  readonly name?: string
  /** As policies have it: with `/data/` behind the mount for KV version 2, without it for version 1. */
  readonly path: string
  /** The field of the secret. Its value is a text. */
  readonly field: string
  /** Of KV version 2. Default: the newest, which is followed. */
  readonly version?: number
}

/** The app acts as the user who approved it. The credential is a refresh token, with the secret of the app if the app requires one. Later refresh tokens are stored with the credential. Each use may replace the refresh token, so none is ever sent twice. */
export interface RefreshToken {
  readonly type: 'refresh_token'
  /** Consumer key of the app. Without it the integration is a draft. */
  readonly client_id?: string
  /** How the app proves itself: its secret in the Authorization header or in the body, or an assertion signed with its key. */
  readonly client_auth?: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
}

export interface RefreshTokenOfAnApp {
  /** For the grant `refresh_token`. From now on, no other program may use this token. */
  readonly refresh_token: string
  readonly client_secret?: string | SecretOfAVault
}

/** A secret that stays in Vault or OpenBao (KV version 1 or 2). It is read there, and never stored. */
export interface SecretOfAVault {
  readonly vault: PlaceInAVault
}

/** Exchanges a token of an issuer that the org's token handler knows, or another integration's. The credential is the secret of the app, or a signing key for `private_key_jwt` and for asset tokens, or none if the app requires none. Works on My Domain and site hosts only. */
export interface TokenExchange {
  readonly type: 'token_exchange'
  /** Consumer key of the app. Without it the integration is a draft. */
  readonly client_id?: string
  /** How the app proves itself: its secret in the Authorization header or in the body, or an assertion signed with its key. */
  readonly client_auth?: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
  /** The source of the token to exchange: exactly one of these. */
  readonly subject_token: {
    /** The integration whose token is exchanged. You need `tokens:read` on it. */
    readonly integration?: string
    /** Path of a file that holds the token, read at each mint: a projected token of Kubernetes, for instance. Allowed only in the configuration file. */
    readonly file?: string
  }
  /** Default `…:access_token` of an integration, `…:jwt` of a file. */
  readonly subject_token_type?:
    | 'urn:ietf:params:oauth:token-type:access_token'
    | 'urn:ietf:params:oauth:token-type:refresh_token'
    | 'urn:ietf:params:oauth:token-type:id_token'
    | 'urn:ietf:params:oauth:token-type:saml2'
    | 'urn:ietf:params:oauth:token-type:jwt'
  /** Developer name of the Apex token handler. Default: that of the app. */
  readonly token_handler?: string
  /** Requests an asset token. The integration's key signs the device's data, and the token contains the key (`cnf`). */
  readonly asset?: {
    readonly device_id: string
    readonly name: string
    readonly serial_number?: string
  }
}
