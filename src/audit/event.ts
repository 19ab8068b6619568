/** Audit events: actions, outcomes, and their text. */
import { type AuditShare, SHARE_NAMES } from './shares.ts'

interface ActionRow {
  /** The share of the stored log that keeps it and that `GET /audit` serves. Null: it is only in the line. */
  readonly share: AuditShare | null
  readonly meaning: string
}

/** All audited actions. A new action needs a row here, and one in `docs/audit.md`. */
export const ACTIONS = {
  'token.read': { share: null, meaning: 'A token was handed to a caller' },
  'token.proved': {
    share: null,
    meaning:
      'A proof was signed for one request with a bound token: `detail.method`, `detail.path` without the query and at most 1,024 characters, `detail.jti` of the proof. Experimental',
  },
  'token.minted': { share: 'tokens', meaning: 'Salesforce gave a token' },
  'token.refused': {
    share: 'refusals',
    meaning: 'A mint brought no token; `detail.reason` says why',
  },
  'token.checked': {
    share: 'attempts',
    meaning:
      'A caller asked why a token does not work where it is used; `detail.reason` is what was found',
  },
  'login.looped': {
    share: 'attempts',
    meaning:
      'A client logged in more than 20 times in two seconds with a token that is alive, and is refused for 30 seconds; told once in an hour',
  },
  'token.revoked': {
    share: 'tokens',
    meaning:
      'A token was dropped and revoked at Salesforce, at the host that issued it. `outcome` `failed`: Salesforce did not end it yet, and is asked again for seven days (`detail.reason` `given_up`: they are over). `detail.reason` `rejected`: a holder was answered 401 with it, so it is served to nobody; `frozen`: its integration was frozen',
  },
  'integration.created': { share: 'changes', meaning: 'An integration was created' },
  'integration.changed': { share: 'changes', meaning: 'Its definition was changed' },
  'integration.deleted': {
    share: 'changes',
    meaning: 'It was deleted, and its secrets were erased',
  },
  'integration.tested': { share: 'attempts', meaning: 'The doctor ran, with a real mint' },
  'integration.probed': {
    share: 'attempts',
    meaning:
      'It was found out what the org does with DPoP, by real logins; `detail.reason` is the posture of the app. Experimental',
  },
  'integration.connected': {
    share: 'changes',
    meaning: 'A user approved it, and it has a refresh token',
  },
  'integration.disconnected': {
    share: 'changes',
    meaning: 'Its refresh token was forgotten, and revoked at Salesforce',
  },
  'connection.begun': { share: 'attempts', meaning: 'An operator began to connect it' },
  'connection.failed': {
    share: 'attempts',
    meaning: 'A connection came to nothing; `detail.reason` says why',
  },
  'integration.not_connected': {
    share: 'changes',
    meaning: 'Its refresh token works no more; `detail.reason` says why',
  },
  'integration.released': {
    share: 'changes',
    meaning: 'The configuration file no longer declares it',
  },
  'identity.changed': {
    share: 'changes',
    meaning: 'A token of another org or user came, and is kept back',
  },
  'identity.accepted': { share: 'changes', meaning: 'An operator accepted the other org or user' },
  'instance.changed': {
    share: 'changes',
    meaning: 'The org answers at another host than before; its tokens are served',
  },
  'scope.changed': {
    share: 'changes',
    meaning: 'A token has other scopes than before, or lacks expected ones; it is served',
  },
  'credential.staged': {
    share: 'changes',
    meaning: 'A credential was added beside the active one',
  },
  'credential.certified': { share: 'changes', meaning: 'A pending key got its certificate' },
  'credential.deploy_requested': {
    share: 'changes',
    meaning: 'The deployment of a certificate or a secret to Salesforce was requested',
  },
  'credential.deployed': {
    share: 'changes',
    meaning: 'A certificate was uploaded to Salesforce, or a secret made there',
  },
  'credential.lent': {
    share: 'changes',
    meaning: 'Its credential was lent to the integration `detail.to`, for what that one signs now',
  },
  'credential.activated': { share: 'changes', meaning: 'A credential became the active one' },
  'credential.rejected': {
    share: 'attempts',
    meaning: 'Salesforce rejected the proof of a credential',
  },
  'credential.erased': { share: 'changes', meaning: "A credential's secret was erased" },
  'certificate.expiring': {
    share: 'changes',
    meaning: 'A certificate ends in at most `detail.days` days; 0: it is over',
  },
  'api_key.created': { share: 'access', meaning: 'An API key was made' },
  'api_key.revoked': { share: 'access', meaning: 'An API key was revoked' },
  'request.denied': {
    share: 'denials',
    meaning:
      'A request was answered 401, 403 or 429, or had a secret in its URL (`detail.reason` `secret_in_url`; `detail.api_key` is the id of the key, if it is valid), or came with a valid credential from outside the `networks` of its caller (`outside_networks`; `principal` is whose credential it is), or asked a login URL to revoke a token, which nobody does there (`revoke_ignored`; `detail.client` is the principal, or the one that got the token at this address)',
  },
  'config.applied': { share: 'service', meaning: 'The configuration file was read and applied' },
  'config.refused': {
    share: 'service',
    meaning: 'The configuration file, or an entry of it, has a mistake',
  },
  'freeze.created': {
    share: 'changes',
    meaning: 'Integrations were frozen; `detail.freeze` is the id of the freeze',
  },
  'freeze.lifted': { share: 'changes', meaning: 'A freeze was lifted' },
  'keyring.reseal_requested': {
    share: 'service',
    meaning: 'Sealing all records with the first key was requested',
  },
  'keyring.resealed': {
    share: 'service',
    meaning: 'Records were sealed with the first key; `detail.count` says how many',
  },
  'store.accepted': {
    share: 'service',
    meaning:
      'An operator accepted a store that lost its content or went back, as a whole or in part',
  },
  'store.record_erased': {
    share: 'service',
    meaning: 'A record that does not verify was erased; `detail.record` is its kind',
  },
  'service.started': { share: 'service', meaning: 'A replica started' },
  'service.stopped': { share: 'service', meaning: 'A replica stopped' },
} as const satisfies Record<string, ActionRow>

export type Action = keyof typeof ACTIONS

export const OUTCOMES = {
  success: 'It was done',
  refused: 'Salesforce said no',
  denied: 'This service said no',
  failed: 'It was tried, and did not work; `detail.reason` says why',
  skipped_shared: 'Not done, since another integration holds the same token',
} as const

export type AuditOutcome = keyof typeof OUTCOMES

/** Optional members of an event: ids, codes of closed lists, and numbers. Never contains a secret or text of a request. */
export interface EventDetail {
  /** A problem's code or a refusal's reason. */
  readonly reason?: string
  /** Class of the refusal, and whether propagation at Salesforce may explain it. */
  readonly class?: 'transient' | 'permanent' | 'wait' | 'propagating'
  /** The `operationId` of the route. */
  readonly operation?: string
  /** The caller's address, for denials and loops of logins only. For several addresses of one network, the network. */
  readonly address?: string
  /** A number that depends on the action: further events within the minute that have no line; events that a stored entry stands for; resealed records; mistakes of a file. */
  readonly count?: number
  /** Time of the first of them: RFC 3339, milliseconds, UTC. */
  readonly since?: string
  /** The integrations of one caller's denials, if there are several. At most 20 names. */
  readonly integrations?: readonly string[]
  readonly connection?: string
  readonly credential?: string
  /** Days until a certificate expires: 60, 30, 14, 7, 1, or 0. */
  readonly days?: number
  /** Name of the integration that a credential was lent to. */
  readonly to?: string
  readonly api_key?: string
  /** Id of a freeze. */
  readonly freeze?: string
  /** The principal that a client without a credential is by its token and its address. */
  readonly client?: string
  /** Kind of a record of the store. */
  readonly record?: string
  /** Of a request that a proof was signed for. */
  readonly method?: string
  /** Its path, without the query. */
  readonly path?: string
  /** The id of the proof. */
  readonly jti?: string
}

/** The principal. Null: nobody, or the service itself. */
export interface Actor {
  readonly principal: string | null
  readonly requestId: string | null
}

export const lentEvent = (owner: string, to: string): AuditEntry => ({
  action: 'credential.lent',
  integration: owner,
  detail: { to },
})

export const NOBODY: Actor = { principal: null, requestId: null }

/** What happened, without principal and time. */
export interface AuditEntry {
  readonly action: Action
  /** Null: it concerns no integration. */
  readonly integration: string | null
  /** Default: `success`. */
  readonly outcome?: AuditOutcome
  readonly tokenId?: string
  readonly detail?: EventDetail
}

export interface AuditEvents {
  /** All entries except reads and denials, as they happen. */
  'audit.recorded': { readonly by: Actor; readonly entry: AuditEntry }
}

/** The event in the line and in the store. */
export interface AuditEvent {
  readonly id: string
  readonly at: string
  readonly principal: string | null
  readonly action: Action
  readonly integration: string | null
  readonly outcome: AuditOutcome
  readonly request_id: string | null
  readonly token_id?: string
  readonly detail?: EventDetail
}

export interface EventId {
  readonly id: string
  /** RFC 3339, milliseconds, UTC. */
  readonly at: string
}

const DETAIL_TEXT_MAX = 256

/** One line of JSON without a line break. */
export const eventText = (eventId: EventId, by: Actor, entry: AuditEntry): string =>
  JSON.stringify(eventOf(eventId, by, entry))

export function eventOf({ id, at }: EventId, by: Actor, entry: AuditEntry): AuditEvent {
  const { action, integration, outcome = 'success', tokenId, detail } = entry
  return {
    id,
    at,
    principal: by.principal,
    action,
    integration,
    outcome,
    request_id: by.requestId,
    ...(tokenId !== undefined && { token_id: tokenId }),
    ...(detail && { detail: shortened(detail) }),
  }
}

function shortened(detail: EventDetail): EventDetail {
  return Object.fromEntries(
    Object.entries(detail).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.slice(0, DETAIL_TEXT_MAX) : value,
    ]),
  )
}

/** Null: the event is not stored. */
export function shareOf(
  { action }: Pick<AuditEntry, 'action'>,
  isProven: boolean,
): AuditShare | null {
  return action === 'request.denied' && !isProven ? 'strangers' : ACTIONS[action].share
}

/** All shares that may hold such events. Older releases wrote all kinds to the share of changes. */
export function sharesOf(action: AuditEntry['action'] | undefined): readonly AuditShare[] {
  if (action === undefined) return SHARE_NAMES
  const shares = ['changes', shareOf({ action }, true), shareOf({ action }, false)] as const
  return [...new Set(shares)].filter((share) => share !== null)
}
