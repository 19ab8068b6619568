// Made by `npm run generate` from openapi.yaml.

import type { CallerNetwork } from './usage.ts'

/** Who did what, with the result. Never contains a token or a secret. */
export interface AuditEvent {
  /** Unique among all replicas. */
  readonly id: string
  readonly at: string
  /** Id of the principal. Null: nobody, or the service itself. */
  readonly principal: string | null
  readonly action:
    | 'token.read'
    | 'token.proved'
    | 'token.minted'
    | 'token.refused'
    | 'token.checked'
    | 'login.looped'
    | 'token.revoked'
    | 'integration.created'
    | 'integration.changed'
    | 'integration.deleted'
    | 'integration.tested'
    | 'integration.probed'
    | 'integration.connected'
    | 'integration.disconnected'
    | 'connection.begun'
    | 'connection.failed'
    | 'integration.not_connected'
    | 'integration.released'
    | 'identity.changed'
    | 'identity.accepted'
    | 'instance.changed'
    | 'scope.changed'
    | 'credential.staged'
    | 'credential.certified'
    | 'credential.deploy_requested'
    | 'credential.deployed'
    | 'credential.lent'
    | 'credential.activated'
    | 'credential.rejected'
    | 'credential.erased'
    | 'certificate.expiring'
    | 'api_key.created'
    | 'api_key.revoked'
    | 'browser.signed_in'
    | 'caller.new'
    | 'caller.new_network'
    | 'caller.unusual_rate'
    | 'request.denied'
    | 'config.applied'
    | 'config.refused'
    | 'freeze.created'
    | 'freeze.lifted'
    | 'keyring.reseal_requested'
    | 'keyring.resealed'
    | 'store.accepted'
    | 'store.record_erased'
    | 'service.started'
    | 'service.stopped'
  readonly integration: string | null
  readonly outcome: 'success' | 'refused' | 'denied' | 'failed' | 'skipped_shared'
  readonly request_id: string | null
  /** Public fingerprint of the token. */
  readonly token_id?: string
  readonly detail?: {
    /** A problem's code or a refusal's reason. */
    readonly reason?: string
    /** Class of the refusal. */
    readonly class?: string
    /** The `operationId` of the route. */
    readonly operation?: string
    /** The caller's address, of denials; of several in one network, the network. */
    readonly address?: string
    /** With `since`: how many events this one stands for, of which `at` is the last. */
    readonly count?: number
    /** Time of the first of them. */
    readonly since?: string
    /** Their integrations, if there are several. At most 20. */
    readonly integrations?: readonly string[]
    /** Id of a connection. */
    readonly connection?: string
    /** Id of a credential. */
    readonly credential?: string
    /** The integration that a credential was lent to. */
    readonly to?: string
    /** Days until a certificate expires: 60, 30, 14, 7, 1, or 0. */
    readonly days?: number
    /** Public id of an API key. */
    readonly api_key?: string
    /** Id of a freeze. */
    readonly freeze?: string
    /** The principal that a client is by its token and its address. */
    readonly client?: string
    /** Kind of a record of the store. */
    readonly record?: string
    /** The /24 or /64 of a caller, or a keyed hash of it. */
    readonly network?: string
    /** Tokens that a caller read within the hour. */
    readonly reads?: number
    /** Those of its busiest hour before. */
    readonly usual?: number
  }
}

/** Events, newest first. */
export interface AuditEventList {
  readonly items: readonly AuditEvent[]
  /** For the next page; one request looks at 10,000 events at most, so a page may be short and still have a next one. */
  readonly next_cursor: string | null
}

export interface Exposure {
  readonly since: string
  /** What was selected; at most 200. */
  readonly integrations: readonly string[]
  /** Who fetched tokens since then. */
  readonly reads: readonly {
    readonly integration: string
    readonly principal: string
    /** Tokens handed out in the last 30 days, by UTC day. */
    readonly count: number
    /** Within the last 30 days. */
    readonly first_at: string
    readonly last_at: string
    /** Networks that it used in the last 30 days, at most 32, the last ones first. Absent: none is stored, for example because `watch` is false. */
    readonly networks?: readonly CallerNetwork[]
  }[]
  /** Tokens that were minted since then, and the current ones. */
  readonly tokens: readonly {
    readonly integration: string
    readonly token_id: string
    readonly minted_at: string | null
    readonly org_id: string | null
    readonly user_id: string | null
    /** `live`: the current one. `revoking`: Salesforce must still end it. `revoked`: it has ended. `unknown`: it is no longer handed out, and ends with its session. */
    readonly state: 'live' | 'revoking' | 'revoked' | 'unknown'
  }[]
  /** False: more tokens were minted than the stored events list, or `since` is more than 30 days ago, and reads are counted no longer. The audit lines have all of both. */
  readonly complete: boolean
  readonly next_cursor: string | null
}

export interface Freeze {
  readonly id: string
  readonly selector: Selector
  readonly reason: string
  readonly since: string
  /** The principal that ordered it. */
  readonly by: string
  readonly revoke: boolean
  readonly revoke_refresh_tokens: boolean
  /** `revoking`: in force, and tokens are still being ended at Salesforce. `done`: in force, and all of them have ended. `lifted`: no longer in force. */
  readonly state: 'revoking' | 'done' | 'lifted'
  /** Integrations that it selects, and how many were searched for tokens. */
  readonly integrations: {
    /** At the last count. Null: they were not counted yet. */
    readonly selected: number | null
    readonly looked_at: number
  }
  /** Live tokens that it found, with `revoke_refresh_tokens` also refresh tokens. A token of several integrations counts once. */
  readonly tokens: {
    /** Ended at Salesforce. */
    readonly done: number
    /** Salesforce was not yet asked to end them. */
    readonly left: number
    /** Salesforce was asked, and did not end them yet. They are tried for 7 days. */
    readonly failed: number
  }
  /** Connections that ended. Their refresh tokens are among `tokens`. */
  readonly connections_ended: number
  /** At most 100 of the tokens that failed. */
  readonly failures: readonly {
    readonly integration: string | null
    readonly token_id: string
    /** Code of the last failure. */
    readonly reason: string
    readonly tries: number
    readonly next_try_at: string
  }[]
  readonly lifted_at: string | null
  readonly lifted_by: string | null
}

export interface FreezeOrder {
  readonly selector: Selector
  /** Callers see it, so it must contain no secret. */
  readonly reason: string
  /** Whether live tokens are revoked at Salesforce. */
  readonly revoke?: boolean
  /** Whether refresh tokens are revoked, too. A person at Salesforce must connect these integrations again afterwards. Needs `revoke`. */
  readonly revoke_refresh_tokens?: boolean
}

export interface Freezes {
  readonly items: readonly Freeze[]
  /** All freezes in force are in one page. */
  readonly next_cursor: null
}

/** What each sealing key still seals. */
export interface Keyring {
  /** Id of the key that this replica seals with. */
  readonly sealing_key: string
  readonly keys: readonly SealingKey[]
  /** Number of records without a valid seal. */
  readonly unreadable: number
  /** The replicas of the last minute. */
  readonly replicas: readonly {
    readonly id: string
    /** Ids of its keys. It seals with the first one. */
    readonly keys: readonly string[]
    readonly seen_at: string
  }[]
  readonly reseal: ResealProgress | null
}

/** Whether the replica can serve, and each check by name. */
export interface Readiness {
  readonly ready: boolean
  /** Failures of the store or of an issuer appear here; they do not set `ready` to false. */
  readonly checks: readonly {
    readonly name: string
    readonly ok: boolean
    readonly detail: string
  }[]
}

/** The progress over all records. Any replica continues the work. */
export interface ResealProgress {
  /** Id of the key that will seal everything. */
  readonly key: string
  readonly state: 'running' | 'done'
  /** Number of records read so far. */
  readonly seen: number
  /** Number of records that were resealed. */
  readonly resealed: number
  /** Number of records that could not be resealed. The log names them. */
  readonly failed: number
  readonly started_at: string
  readonly updated_at: string
  readonly finished_at: string | null
}

export interface SealingKey {
  readonly id: string
  /** `sealing`: the first of the keyring of this replica; `opening`: another of it; `missing`: records name it, and it is not there, so they are lost without it. */
  readonly state: 'sealing' | 'opening' | 'missing'
  /** Null: `VALETKEY_KEYRING` has the key itself, or this replica lacks it. */
  readonly wrapped_by: WrappedBy | null
  /** Number of records that are sealed with it. */
  readonly records: number
  readonly by_kind: {
    /** the keys and secrets of an integration. */
    readonly credentials: number
    /** the refresh token of an integration. */
    readonly refresh_tokens: number
    /** an access token that is held. */
    readonly leases: number
    /** an access token that Salesforce must still end. */
    readonly revocations: number
    /** what a pending connection needs to be finished. */
    readonly connections: number
    /** the code that proves a record which is not sealed. */
    readonly macs: number
  }
  /** Number of replicas that have it. */
  readonly replicas: number
  /** Whether nothing is sealed with it and no replica seals with it. */
  readonly can_be_dropped: boolean
}

/** Selects an integration if any of its members does, now or later. */
export interface Selector {
  /** By name, whether they exist already or not. */
  readonly integrations?: readonly string[]
  /** Those that have all of these labels. */
  readonly labels?: Readonly<Record<string, string>>
  /** Those that log in as this app, also with a staged or retired credential. */
  readonly client_ids?: readonly string[]
  /** Those whose tokens belong to this org; 15 and 18 characters are the same. */
  readonly org_ids?: readonly string[]
  /** All integrations. */
  readonly all?: boolean
}

/** What wraps a data key, which the store holds. */
export interface WrappedBy {
  /** As `VALETKEY_KEYRING` names it. */
  readonly name: string
  /** The signer that wraps it. */
  readonly signer: string
  /** The key of the signer. */
  readonly key: string
  /** The version of that key. Null: the signer states none. */
  readonly key_version: number | null
}
