/** Known mistakes in the setup of an app that Setup does not show. */
import type { Blueprint } from './blueprint.ts'

export interface Trap {
  readonly trap: string
  readonly detail: string
}

const always = () => true
const withCertificate = ({ provesBy }: Blueprint) => provesBy === 'certificate'
const withSecret = ({ provesBy }: Blueprint) => provesBy === 'client_secret'
const asUsername = ({ recipe }: Blueprint) => recipe.actsAs === 'username'
const asRunAsUser = ({ recipe }: Blueprint) => recipe.actsAs === 'run_as_user'

const TRAPS: Readonly<
  Record<string, { readonly applies: (blueprint: Blueprint) => boolean; readonly detail: string }>
> = {
  connected_apps_closed: {
    applies: always,
    detail:
      "Since Spring '26, connected apps can no longer be created; create an External Client App. An existing connected app continues to work, with the same fields under other headings.",
  },
  policies_come_after_saving: {
    applies: always,
    detail:
      'Policies are on another tab, which exists only after the app is saved. Without them Salesforce refuses every login.',
  },
  nobody_assigned: {
    applies: always,
    detail:
      'With "Admin approved users are pre-authorized", a user without an assigned profile or permission set is refused: user_not_approved, or user_not_admin_approved.',
  },
  changes_spread_slowly: {
    applies: always,
    detail:
      'A new app, and each change of one, takes 2 to 10 minutes to reach all servers of Salesforce, so answers vary meanwhile. Wait, and change nothing else.',
  },
  key_behind_a_code: {
    applies: always,
    detail:
      'Salesforce mails a code to the administrator who is logged in before it shows the consumer key and secret.',
  },
  api_access_control: {
    applies: always,
    detail:
      'If API Access Control is on, the app must also be allowed there. Otherwise Salesforce refuses it as app_blocked.',
  },
  sessions_locked_to_ip: {
    applies: always,
    detail:
      'Setup → Session Settings → "Lock sessions to the IP address from which they originated" must be off, although hardening guides turn it on. This service requests the token and other addresses use it; with the lock, Salesforce answers 401 INVALID_SESSION_ID at those addresses. Run `valetkey check-token` where the token is used, to distinguish this cause from others.',
  },
  token_is_shared: {
    applies: always,
    detail:
      'Salesforce gives the same token to every holder of the same app and user, so revoking it ends it for all of them. Give each system its own app or user.',
  },
  lifetime_is_the_session: {
    applies: always,
    detail:
      'A token is valid as long as the session time-out of the app, profile or org, and usually does not state it: token_lifetime must not be longer.',
  },
  file_input_clears: {
    applies: withCertificate,
    detail:
      'The form loses the certificate when another field redraws it, and the app is then saved without it. Upload it last, and check that its name is shown before you save.',
  },
  one_certificate_an_app: {
    applies: withCertificate,
    detail:
      'An app has one certificate. A new certificate replaces it, and the old key stops working for everybody who signs with it: stage the new key here first.',
  },
  certificate_never_ends: {
    applies: withCertificate,
    detail:
      'Salesforce neither warns about nor refuses an expired certificate. The status shows certificate_expires_at.',
  },
  certificate_size: {
    applies: withCertificate,
    detail:
      'A certificate may have at most 4,000 characters and 4 KB: upload only the leaf, without the chain.',
  },
  refresh_scope_needed: {
    applies: asUsername,
    detail:
      'The scope refresh_token, offline_access must be ticked, although this grant never gets a refresh token.',
  },
  scope_full: {
    applies: asUsername,
    detail: 'Do not tick full: it gives each reader of the token all permissions of the user.',
  },
  audience_is_not_my_domain: {
    applies: asUsername,
    detail:
      'The audience is the login host of the kind of org (login or test), whatever the host of the request. Most orgs refuse a My Domain as audience.',
  },
  username_is_not_email: {
    applies: asUsername,
    detail:
      'The username only looks like an email address. In a sandbox it has a suffix: billing@acme.com.dev.',
  },
  my_domain_only: {
    applies: asRunAsUser,
    detail:
      'This grant works only on the My Domain host; login and test hosts answer domain_not_supported.',
  },
  enabled_twice: {
    applies: asRunAsUser,
    detail: 'The flow must be enabled both in the settings and in the policies.',
  },
  run_as_by_lookup: {
    applies: asRunAsUser,
    detail:
      'Choose the run-as user in the search window; a typed name is not saved. The user must be active and should have API Only.',
  },
  scopes_are_dropped: {
    applies: asRunAsUser,
    detail:
      'Salesforce removes full, web and refresh_token from the token; if nothing else is ticked, the answer is no_valid_scopes.',
  },
  pkce_breaks_it: {
    applies: asRunAsUser,
    detail: 'Require PKCE must be off: otherwise the answer is code_challenge_missing.',
  },
  handler_missing: {
    applies: ({ recipe }) => recipe.actsAs === 'handled_user',
    detail:
      'The org needs a token exchange handler, an Apex class that extends Auth.Oauth2TokenExchangeHandler, enabled for the app. If it is missing or does not accept the token, the answer is token_handler_failed. The grant works only on My Domain and site hosts.',
  },
  secret_rotation: {
    applies: withSecret,
    detail:
      'After a rotation an External Client App accepts the old secret for 30 more days. A connected app ends it, and every token, immediately ("Apply").',
  },
}

export const trapsOf = (blueprint: Blueprint): readonly Trap[] =>
  Object.entries(TRAPS)
    .filter(([, { applies }]) => applies(blueprint))
    .map(([trap, { detail }]) => ({ trap, detail }))
