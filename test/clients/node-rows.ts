/** Clients that run in Node. */
import type { ClientRow } from './client-row.ts'
import { printsOf } from './expected-prints.ts'
import { KEY, KEY_ID, LOGIN_URL, NAME, OAUTH_URL, SCOPE } from './setting-values.ts'

const inCi = {
  toolchain: 'node',
  tried: 'ci',
  sendsKeyToInstance: false,
  revokesToken: false,
} as const
const LOGS_IN_AGAIN = { next: 'succeeds', by: 'client' } as const
const PROGRAM_LOGS_IN_AGAIN = { next: 'succeeds', by: 'program' } as const

const jsforce = {
  ...inCi,
  name: 'jsforce',
  package: 'jsforce',
  version: '3.10.26',
  programs: { other_grant: 'jsforce.mjs', operation: 'jsforce-operation.mjs' },
} as const
const named = (error: string, code: string) => `${error}: ${code}: `
const OF_CALL = { operation: 'MISDIRECTED_REQUEST: This is the login host. ' } as const
const ofConnection = [
  ['oauth2.loginUrl', LOGIN_URL],
  ['oauth2.clientId', KEY_ID],
] as const
const ofPassword = [
  ...ofConnection,
  ['oauth2.clientSecret', KEY],
  ['login(username, …)', NAME],
  ['login(…, password)', KEY],
] as const
const NO_TOKEN_SERVICE =
  'Set `loginUrl`. jsforce ignores `tokenServiceUrl` unless `authzServiceUrl` is set too.'

export const NODE_ROWS: readonly ClientRow[] = [
  {
    ...jsforce,
    grant: 'client_credentials',
    example: 'node/jsforce-client-credentials.mjs',
    settings: [
      ...ofConnection,
      ['oauth2.clientSecret', KEY],
      ['refreshFn', 'a function that calls `authorize` again'],
    ],
    session: PROGRAM_LOGS_IN_AGAIN,
    prints: { ...printsOf('client_credentials', named), ...OF_CALL },
    beware: [
      'Without `refreshFn`, the call after the end of the session fails with `No refresh token found in the connection`.',
      '`refreshFn` must call its callback. jsforce ignores what it returns, and does not catch what it throws.',
      NO_TOKEN_SERVICE,
    ],
  },
  {
    ...jsforce,
    grant: 'password',
    example: 'node/jsforce-password.mjs',
    settings: ofPassword,
    session: LOGS_IN_AGAIN,
    prints: { ...printsOf('password', named), ...OF_CALL },
    beware: [NO_TOKEN_SERVICE],
  },
  {
    ...jsforce,
    grant: 'refresh_token',
    example: 'node/jsforce-refresh-token.mjs',
    settings: [...ofConnection, ['refreshToken', KEY]],
    session: LOGS_IN_AGAIN,
    prints: { ...printsOf('refresh_token', named), ...OF_CALL },
    beware: [
      'Get the first token with `oauth2.refreshToken`, because a connection needs `instanceUrl` before its first call.',
      NO_TOKEN_SERVICE,
    ],
  },
  {
    ...jsforce,
    name: '@jsforce/jsforce-node',
    package: '@jsforce/jsforce-node',
    version: '3.12.0',
    grant: 'password',
    example: 'node/jsforce-node.mjs',
    settings: ofPassword,
    session: LOGS_IN_AGAIN,
    prints: printsOf('password', named),
    programs: { other_grant: 'jsforce-node.mjs' },
    beware: ['The other grants work as in jsforce.', NO_TOKEN_SERVICE],
  },
  {
    ...inCi,
    name: '@salesforce/core',
    package: '@salesforce/core',
    version: '9.4.0',
    grant: 'refresh_token',
    example: 'node/salesforce-core.mjs',
    settings: [
      ['oauth2Options.loginUrl', LOGIN_URL],
      ['oauth2Options.clientId', KEY_ID],
      ['oauth2Options.refreshToken', KEY],
    ],
    session: LOGS_IN_AGAIN,
    prints: {
      ...printsOf(
        'refresh_token',
        (_error, code) => `Error authenticating with the refresh token due to: ${code}: `,
      ),
      other_grant:
        'Error authenticating with auth code due to: unsupported_grant_type::request_invalid: ',
    },
    programs: { other_grant: 'salesforce-core.mjs' },
    beware: [
      'The user must be able to read its own `User` record, because the client asks for its username.',
      'Do not use its JWT login. Where that is refused, it sends the signed assertion to `login.salesforce.com` and `test.salesforce.com` too.',
      'It has no client credentials grant. It warns of a plain `http` URL.',
    ],
  },
  {
    ...inCi,
    name: 'openid-client',
    package: 'openid-client',
    version: '6.9.0',
    grant: 'client_credentials',
    example: 'node/openid-client.mjs',
    settings: [
      ['token_endpoint', OAUTH_URL],
      ['client id', KEY_ID],
      ['client secret', KEY],
      ['scope', SCOPE],
    ],
    session: PROGRAM_LOGS_IN_AGAIN,
    prints: printsOf('oauth', (error, code) => `error: '${error}', error_description: '${code}: `),
    programs: { other_grant: 'openid-client.mjs' },
    beware: ['It refuses a plain `http` URL without `allowInsecureRequests`.'],
  },
  {
    ...inCi,
    name: 'simple-oauth2',
    package: 'simple-oauth2',
    version: '5.1.0',
    grant: 'client_credentials',
    example: 'node/simple-oauth2.mjs',
    settings: [
      ['auth.tokenHost', 'https://VALETKEY'],
      ['client.id', KEY_ID],
      ['client.secret', KEY],
      ['scope', SCOPE],
    ],
    session: PROGRAM_LOGS_IN_AGAIN,
    prints: {
      ...printsOf('oauth', (error, code) => `"error":"${error}","error_description":"${code}: `),
      body: '"error":"invalid_request","error_description":"media_type_unsupported: ',
    },
    programs: { other_grant: 'simple-oauth2.mjs', body: 'simple-oauth2-body.mjs' },
    beware: [
      'Its error holds the whole request. Print `error.data.payload` alone: an error that nobody catches shows the key.',
    ],
  },
]
