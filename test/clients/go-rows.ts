/** Clients that run in Go. */
import type { ClientRow } from './client-row.ts'
import { printsOf } from './expected-prints.ts'
import { KEY, KEY_ID, LOGIN_URL, OAUTH_URL, SCOPE } from './setting-values.ts'

const inCi = { toolchain: 'go', tried: 'ci', revokesToken: false } as const

export const GO_ROWS: readonly ClientRow[] = [
  {
    ...inCi,
    name: 'go-salesforce',
    package: 'github.com/k-capehart/go-salesforce/v3',
    version: '3.1.0',
    grant: 'client_credentials',
    example: 'go/salesforce/main.go',
    settings: [
      ['Creds.Domain', LOGIN_URL],
      ['Creds.ConsumerKey', KEY_ID],
      ['Creds.ConsumerSecret', KEY],
    ],
    session: { next: 'fails', prints: '400 Bad Request: failed authentication' },
    sendsKeyToInstance: true,
    prints: {
      ...printsOf('client_credentials', () => '400 Bad Request: failed authentication'),
      rate: '503 Service Unavailable: failed authentication',
    },
    programs: { other_grant: 'go_salesforce.go' },
    beware: [
      'At a 401 it sends the key to Salesforce, which refuses it, and the call fails. Call `Init` again after such an error.',
      'Safer: get the token from `GET /tokens/NAME`, and set `Creds.AccessToken` and `Creds.Domain` (to `instance_url`) instead of the key.',
      'It hides the answer of Valetkey. The audit trail has the code.',
    ],
  },
  {
    ...inCi,
    name: 'golang.org/x/oauth2',
    package: 'golang.org/x/oauth2',
    version: '0.38.0',
    grant: 'client_credentials',
    example: 'go/oauth2/main.go',
    settings: [
      ['ClientID', KEY_ID],
      ['ClientSecret', KEY],
      ['TokenURL', OAUTH_URL],
      ['Scopes', SCOPE],
      ['AuthStyle', 'AuthStyleInHeader'],
    ],
    session: { next: 'succeeds', by: 'program' },
    sendsKeyToInstance: false,
    prints: printsOf('oauth', (error, code) => `oauth2: "${error}" "${code}: `),
    programs: { other_grant: 'x_oauth2.go' },
    beware: [
      'Set `AuthStyle`. Otherwise, each refused request is sent twice, until one has succeeded in this process.',
      'It ignores `Retry-After`.',
    ],
  },
]
