// Made by `npm run generate` from openapi.yaml.

export interface APIKey {
  /** The public id: the 8 characters after `vk_`. */
  readonly id: string
  readonly name: string
  readonly permissions: readonly (
    | 'tokens:read'
    | 'tokens:prove'
    | 'tokens:revoke'
    | 'integrations:read'
    | 'integrations:test'
    | 'integrations:write'
    | 'credentials:write'
    | 'api-keys:write'
    | 'audit:read'
    | 'service:manage'
  )[]
  readonly integrations: readonly string[]
  /** The integration must have all of these labels. */
  readonly labels: Readonly<Record<string, string>>
  readonly requests?: readonly string[]
  readonly networks?: readonly string[]
  readonly max_expires_in?: number
  readonly created_at: string
  readonly expires_at: string
  /** Id of the principal that created it. */
  readonly created_by: string
  /** Id of the API key that created it. Null: another kind of principal created it. */
  readonly created_by_key: string | null
}

/** A page, in order of id. */
export interface APIKeyList {
  readonly items: readonly APIKey[]
  readonly next_cursor: string | null
  /** Ids, within this page, of keys that do not verify and open nothing: revoke them. For those who may revoke every key; absent where there is none. */
  readonly corrupt?: readonly string[]
}

/** The new key. Only this answer shows it. */
export interface NewAPIKey extends APIKey {
  /** The key. Only shown in this answer. */
  readonly key: string
}

/** Who you are, and what you may do. */
export interface Principal {
  /** `admin`, `api-key:NAME`, `api-key:NAME#ID` (made by a caller whose `api-keys:write` is limited), `jwt:ISSUER#SUBJECT` or `mtls:ID`. */
  readonly principal: string
  readonly kind: 'admin' | 'api_key' | 'jwt' | 'mtls'
  /** Name of the API key, or of the entry in the configuration file. */
  readonly name: string
  readonly permissions: readonly {
    readonly permission: APIKey['permissions'][number]
    readonly integrations: readonly string[]
    /** The integration must have all of these labels. */
    readonly labels: Readonly<Record<string, string>>
    readonly requests?: readonly string[]
    /** It counts from these networks only. */
    readonly networks?: readonly string[]
  }[]
}
