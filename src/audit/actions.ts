/** The table of audited actions. */
import type { AuditShare } from './shares.ts'

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
      'A probe found out what the org does with DPoP, by real logins; `detail.reason` is the posture of the app. Experimental',
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
  'browser.signed_in': {
    share: 'access',
    meaning: 'A browser signed in at the status page with an API key',
  },
  'caller.new': {
    share: 'attempts',
    meaning: '`principal` read it for the first time in 30 days',
  },
  'caller.new_network': {
    share: 'attempts',
    meaning:
      '`principal` read it from a network that it did not use in 30 days: `detail.network`, or a keyed hash of it',
  },
  'caller.unusual_rate': {
    share: 'attempts',
    meaning:
      '`principal` read it ten times as often within an hour as in the busiest hour of the days before: `detail.reads`, `detail.usual`',
  },
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
