/** What goes wrong when people set up an app: known, and not shown by Setup itself. */
import type { Blueprint } from './blueprint.ts'

export interface Trap {
  /** One of a closed list. */
  readonly trap: string
  readonly detail: string
}

interface TrapRow {
  readonly applies: (blueprint: Blueprint) => boolean
  readonly detail: string
}

const always = () => true
const withCertificate = ({ provesBy }: Blueprint) => provesBy === 'certificate'
const withSecret = ({ provesBy }: Blueprint) => provesBy === 'client_secret'
const asUsername = ({ recipe }: Blueprint) => recipe.actsAs === 'username'
const asRunAsUser = ({ recipe }: Blueprint) => recipe.actsAs === 'run_as_user'

const TRAPS: Readonly<Record<string, TrapRow>> = {
  connected_apps_closed: {
    applies: always,
    detail:
      "Connected apps cannot be created any more since Spring '26; make an External Client App. One that exists goes on working, with the same fields under other headings.",
  },
  policies_come_after_saving: {
    applies: always,
    detail:
      'Policies are another tab, and are there only once the app is saved. Without them Salesforce refuses every login.',
  },
  nobody_assigned: {
    applies: always,
    detail:
      'With "Admin approved users are pre-authorized", a user without an assigned profile or permission set is refused: user_not_approved, or user_not_admin_approved.',
  },
  changes_spread_slowly: {
    applies: always,
    detail:
      'A new app, and each change of one, takes 2 to 10 minutes to reach all servers of Salesforce, which answer both ways meanwhile. Wait; do not change more.',
  },
  key_behind_a_code: {
    applies: always,
    detail:
      'Salesforce mails a code to the administrator who is logged in before it shows the consumer key and secret.',
  },
  api_access_control: {
    applies: always,
    detail:
      'Where API Access Control is on, the app must be allowed there, too, or it is refused as app_blocked.',
  },
  sessions_locked_to_ip: {
    applies: always,
    detail:
      'Setup → Session Settings → "Lock sessions to the IP address from which they originated" must be off, although hardening guides turn it on: a token is made at this service and used elsewhere, and with it Salesforce answers 401 INVALID_SESSION_ID to everybody else. `valetkey check-token`, run where the token is used, tells it apart from other causes.',
  },
  token_is_shared: {
    applies: always,
    detail:
      'Salesforce gives every holder of the same app and user the same token: revoking it anywhere ends it for all of them. Give each system an app or a user of its own.',
  },
  lifetime_is_the_session: {
    applies: always,
    detail:
      'A token lives as long as the session time-out of the app, profile or org, and mostly does not say so: token_lifetime must not be longer.',
  },
  file_input_clears: {
    applies: withCertificate,
    detail:
      'The certificate drops out of the form when another field redraws it, and the app is saved without. Upload it last, and look that its name is there before you save.',
  },
  one_certificate_an_app: {
    applies: withCertificate,
    detail:
      'An app has one certificate. Another one replaces it, and ends the key of the former for everybody who signs with it: stage the new key here first.',
  },
  certificate_never_ends: {
    applies: withCertificate,
    detail:
      'Salesforce neither warns of nor refuses a certificate that is over. certificate_expires_at in the status counts down.',
  },
  certificate_size: {
    applies: withCertificate,
    detail:
      'A certificate may have at most 4,000 characters and 4 KB: upload the leaf alone, and no chain.',
  },
  refresh_scope_needed: {
    applies: asUsername,
    detail:
      'The scope refresh_token, offline_access must be ticked, although this grant never gets a refresh token.',
  },
  scope_full: {
    applies: asUsername,
    detail: 'Do not tick full: it gives each reader of the token all that the user may do.',
  },
  audience_is_not_my_domain: {
    applies: asUsername,
    detail:
      'The audience is the login host of the kind of org (login or test), whichever host is asked. A My Domain as audience is refused by most orgs.',
  },
  username_is_not_email: {
    applies: asUsername,
    detail:
      'The username only looks like an email address. In a sandbox it has a suffix: billing@acme.com.dev.',
  },
  my_domain_only: {
    applies: asRunAsUser,
    detail:
      'This grant works on the My Domain host only; login and test hosts answer domain_not_supported.',
  },
  enabled_twice: {
    applies: asRunAsUser,
    detail: 'The flow is enabled in the settings and once more in the policies.',
  },
  run_as_by_lookup: {
    applies: asRunAsUser,
    detail:
      'Choose the run-as user in the search window; a name that is only typed is not saved. The user must be active and should have API Only.',
  },
  scopes_are_dropped: {
    applies: asRunAsUser,
    detail:
      'full, web and refresh_token are dropped from the token; where nothing else is ticked, the answer is no_valid_scopes.',
  },
  pkce_breaks_it: {
    applies: asRunAsUser,
    detail: 'Require PKCE must be off: with it this grant answers code_challenge_missing.',
  },
  handler_missing: {
    applies: ({ recipe }) => recipe.actsAs === 'handled_user',
    detail:
      'The org needs a token exchange handler, an Apex class that extends Auth.Oauth2TokenExchangeHandler, enabled for the app: without it, and where it does not take the token, the answer is token_handler_failed. It works on My Domain and site hosts only.',
  },
  secret_rotation: {
    applies: withSecret,
    detail:
      'After a rotation an External Client App takes the old secret for 30 more days. A connected app ends it, and every token, at once ("Apply").',
  },
}

/** Those that the integration can fall into. */
export const trapsOf = (blueprint: Blueprint): readonly Trap[] =>
  Object.entries(TRAPS)
    .filter(([, { applies }]) => applies(blueprint))
    .map(([trap, { detail }]) => ({ trap, detail }))
