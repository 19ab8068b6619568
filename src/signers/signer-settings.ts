/** What the file of `VALETKEY_SIGNERS` says about a signer. */

interface CommonSettings {
  readonly name: string
  /** Globs of the keys that integrations may name. Empty: none. */
  readonly keys: readonly string[]
  /** Globs of the integrations that may use it. */
  readonly integrations: readonly string[]
  /** Longest time of one signature, with the wait for its turn. */
  readonly timeoutMs: number
  /** Most signatures at once. */
  readonly signaturesAtOnce: number
}

/** How this service authenticates to Vault. Files are read at each login. */
export type VaultAuth =
  /** Another program renews or replaces the file, or the token is renewed here. */
  | { readonly type: 'token_file'; readonly tokenFile: string }
  | {
      readonly type: 'app_role'
      readonly mount: string
      readonly roleId: string
      readonly secretIdFile: string
    }
  /** `kubernetes`: the token of the service account. */
  | {
      readonly type: 'jwt' | 'kubernetes'
      readonly mount: string
      readonly role: string
      readonly tokenFile: string
    }
  | {
      readonly type: 'certificate'
      readonly mount: string
      readonly role?: string
      readonly certificateFile: string
      readonly keyFile: string
    }

export interface VaultSettings extends CommonSettings {
  readonly type: 'vault_transit'
  /** An origin: https, or http on loopback. */
  readonly address: string
  /** Globs of the paths of secrets that integrations may name. Default: none. */
  readonly secrets?: readonly string[]
  /** Of the Transit engine. */
  readonly mount: string
  readonly namespace?: string
  /** PEM of a CA to trust besides the public ones. */
  readonly ca?: string
  readonly auth: VaultAuth
}

export interface KmsSettings extends CommonSettings {
  readonly type: 'aws_kms'
  readonly region: string
  /** An origin: https, or http on loopback. Default: that of the region. */
  readonly endpoint?: string
}

export interface Pkcs11Settings extends CommonSettings {
  readonly type: 'pkcs11'
  /** Absolute path of the library. */
  readonly module: string
  /** Label of the token. */
  readonly token: string
  /** Read at each login. */
  readonly pinFile: string
}

/** What can wrap, too. */
export type WrappingSigner = VaultSettings | KmsSettings

export type SignerSettings = WrappingSigner | Pkcs11Settings
