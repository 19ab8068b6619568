/** Clients that run in Python. */
import type { ClientRow } from './client-row.ts'
import { printsOf } from './expected-prints.ts'
import { KEY, KEY_ID, LOGIN_URL, OAUTH_URL, SCOPE } from './setting-values.ts'

const inCi = {
  toolchain: 'python',
  tried: 'ci',
  sendsKeyToInstance: false,
  revokesToken: false,
} as const
const LOGS_IN_AGAIN = { next: 'succeeds', by: 'client' } as const
const PROGRAM_LOGS_IN_AGAIN = { next: 'succeeds', by: 'program' } as const

export const PYTHON_ROWS: readonly ClientRow[] = [
  {
    ...inCi,
    name: 'simple-salesforce',
    package: 'simple-salesforce',
    version: '1.12.10',
    grant: 'client_credentials',
    example: 'python/simple_salesforce_client.py',
    settings: [
      ['session', `a session whose adapter sends logins to \`${LOGIN_URL}\``],
      ['domain', 'any name; the adapter is mounted at its URL'],
      ['consumer_key', KEY_ID],
      ['consumer_secret', KEY],
    ],
    session: LOGS_IN_AGAIN,
    prints: {
      ...printsOf('client_credentials', (error, code) => `(code: ${error}): ${code}: `),
      other_grant: '(code: invalid_grant): caller_unauthenticated: ',
    },
    programs: { other_grant: 'simple_salesforce_client.py' },
    beware: [
      'It knows only hosts of `salesforce.com`. The adapter of the example sends its logins to Valetkey.',
      '`query` and the calls of objects log in again at a 401. `bulk`, `bulk2` and a session with `session_id` fail with `SalesforceExpiredSession`.',
      'It signs an assertion with a key of its own where it is given `privatekey`. Valetkey refuses that.',
    ],
  },
  {
    ...inCi,
    name: 'Authlib',
    package: 'authlib',
    version: '1.9.10',
    grant: 'client_credentials',
    example: 'python/authlib_client.py',
    settings: [
      ['client_id', KEY_ID],
      ['client_secret', KEY],
      ['token_endpoint', OAUTH_URL],
      ['scope', SCOPE],
      ['grant_type', 'client_credentials'],
    ],
    session: PROGRAM_LOGS_IN_AGAIN,
    prints: printsOf('oauth', (error, code) => `${error}: ${code}: `),
    programs: { other_grant: 'authlib_client.py' },
    beware: [
      'It raises `InvalidTokenError` for a token that lasts less than 60 seconds, even if it is new. Tokens of Valetkey last longer, unless `token_lifetime` of the integration is below 600.',
      'Without `grant_type` in the constructor, it does not fetch the next token by itself.',
    ],
  },
  {
    ...inCi,
    name: 'requests-oauthlib',
    package: 'requests-oauthlib',
    version: '2.0.0',
    grant: 'client_credentials',
    example: 'python/requests_oauthlib_client.py',
    settings: [
      ['client_id', KEY_ID],
      ['auth', `\`HTTPBasicAuth(${KEY_ID}, ${KEY})\``],
      ['token_url', OAUTH_URL],
      ['scope', SCOPE],
    ],
    session: PROGRAM_LOGS_IN_AGAIN,
    prints: printsOf('oauth', (error, code) => `(${error}) ${code}: `),
    programs: { other_grant: 'requests_oauthlib_client.py' },
    beware: [
      'It raises `TokenExpiredError` when the token expires, and fetches no other one by itself.',
      'It refuses a plain `http` URL, also on loopback.',
    ],
  },
  {
    ...inCi,
    name: 'salesforce-cdp-connector',
    package: 'salesforce-cdp-connector',
    version: '1.0.20',
    grant: 'client_credentials',
    example: 'python/cdp_connector_client.py',
    settings: [],
    session: { next: 'none' },
    prints: { secret_in_url: 'Core token retrieval failed with code 400' },
    beware: [
      'Valetkey refuses it with `secret_in_url`, because it writes the key into the URL, which logs contain. Replace a key that it has used.',
      'It revokes the access token after each login, also for everybody else who holds that token.',
      'Let your code get a Data Cloud token from [GET /tokens](grants.md) instead.',
    ],
  },
]
