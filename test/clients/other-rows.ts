/** A client that runs in Rust, and the command line of Salesforce. */
import type { ClientRow } from './client-row.ts'
import { printsOf } from './expected-prints.ts'
import { KEY, KEY_ID, LOGIN_URL } from './setting-values.ts'

const inCompat = { tried: 'compat', sendsKeyToInstance: false, revokesToken: false } as const
const sf = {
  ...inCompat,
  name: 'sf',
  package: '@salesforce/cli',
  version: '2.150.6',
  toolchain: 'sf',
} as const
const { other_grant: _ofRust, ...RUSTFORCE } = printsOf(
  'refresh_token',
  (error, code) =>
    `TokenError(TokenErrorResponse { error: "${error}", error_description: "${code}: `,
)

const REFRESH = 'Error authenticating with the refresh token due to: '

export const OTHER_ROWS: readonly ClientRow[] = [
  {
    ...inCompat,
    name: 'rustforce',
    package: 'rustforce',
    version: '0.2.2',
    toolchain: 'rust',
    grant: 'refresh_token',
    example: 'rust/src/main.rs',
    settings: [
      ['set_login_endpoint', LOGIN_URL],
      ['client_id', KEY_ID],
      ['client_secret', KEY],
      ['refresh', KEY],
    ],
    session: { next: 'succeeds', by: 'program' },
    prints: RUSTFORCE,
    beware: ['It does not log in again by itself. The example calls `refresh` at a 401.'],
  },
  {
    ...sf,
    grant: 'refresh_token',
    example: 'sf/refresh-token.sh',
    settings: [['sf org login sfdx-url', `\`force://${KEY_ID}::${KEY}@VALETKEY\``]],
    session: { next: 'succeeds', by: 'client' },
    prints: {
      wrong_key: `${REFRESH}caller_unauthenticated: `,
      rate: `${REFRESH}login_budget_exhausted: `,
    },
    beware: [
      'The key must be able to read exactly one integration, because the URL of this login has no place for its name.',
      'It speaks HTTPS only. It stores the key in the home directory, like any refresh token.',
      'It advises to log in again at each refusal. Read the code in its first line instead.',
    ],
  },
  {
    ...sf,
    grant: 'access token',
    example: 'sf/access-token.sh',
    settings: [
      ['SF_ACCESS_TOKEN', 'the `access_token` of `GET /tokens/NAME`'],
      ['sf org login access-token --instance-url', 'its `instance_url`'],
    ],
    session: { next: 'fails', prints: 'Session expired or invalid' },
    prints: {},
    beware: [
      'With `SF_ACCESS_TOKEN` it cannot log in again. Ask for another token with `?rejected=`, and log in anew.',
      '`--instance-url` must have no path and no slash at its end.',
    ],
  },
]
