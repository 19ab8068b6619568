// Made by `npm run generate` from openapi.yaml.

import type {
  AuditEvent,
  AuditEventList,
  Exposure,
  Freeze,
  FreezeOrder,
  Freezes,
  Keyring,
  Readiness,
  ResealProgress,
} from './service.ts'

export interface ServiceOperations {
  /** Whether this replica can serve. */
  readonly getReadiness: {
    readonly answer: Readiness
  }
  /** What was done, newest first. */
  readonly listAuditEvents: {
    readonly query?: {
      readonly integration?: string
      readonly principal?: string
      readonly action?: AuditEvent['action']
      readonly since?: string
      readonly until?: string
      readonly limit?: number
      readonly cursor?: string
    }
    readonly answer: AuditEventList
  }
  /** Freeze integrations: they give no tokens, and their tokens are revoked. */
  readonly createFreeze: {
    readonly body: FreezeOrder
    readonly answer: Freeze
  }
  /** The freezes in force. */
  readonly listFreezes: {
    readonly answer: Freezes
  }
  /** How far a freeze was carried out. */
  readonly getFreeze: {
    readonly path: { readonly id: string }
    readonly answer: Freeze
  }
  /** Lift a freeze: its integrations give tokens again. */
  readonly liftFreeze: {
    readonly path: { readonly id: string }
    readonly answer: undefined
  }
  /** Who fetched which tokens since a time, and which of them live. */
  readonly getExposure: {
    readonly query: {
      readonly since: string
      readonly freeze?: string
      readonly integrations?: string
      readonly label?: string
      readonly client_id?: string
      readonly org_id?: string
      readonly all?: boolean
      readonly cursor?: string
    }
    readonly answer: Exposure
  }
  /** What each sealing key still seals. */
  readonly getKeyring: {
    readonly answer: Keyring
  }
  /** Seal everything with the first key. */
  readonly resealKeyring: {
    readonly answer: ResealProgress
  }
  /** Accept a store that lost its content, or went back in time. */
  readonly acceptStore: {
    readonly body: {
      /** Whether an older state of the store was put back. */
      readonly restored?: boolean
    } | null
    readonly answer: undefined
  }
  /** Erase a record that does not verify. */
  readonly eraseRecord: {
    readonly path: {
      readonly kind:
        | 'integration'
        | 'api-key'
        | 'api-key-name'
        | 'identity'
        | 'subject'
        | 'callers'
        | 'deployment'
        | 'certificate-end'
        | 'revocation'
        | 'freezes'
        | 'freeze'
        | 'store'
        | 'retired'
        | 'connection'
        | 'device-poll'
        | 'keyring'
        | 'mint-hours'
        | 'webhook'
        | 'webhook-edge'
      readonly name: string
    }
    readonly answer: undefined
  }
}
