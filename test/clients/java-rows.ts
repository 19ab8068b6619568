/** Clients that run in Java. */
import type { ClientRow } from './client-row.ts'
import { printsOf } from './expected-prints.ts'
import { KEY, KEY_ID, LOGIN_URL, OAUTH_URL, SCOPE } from './setting-values.ts'

const { other_grant: _ofSpring, ...SPRING } = printsOf(
  'oauth',
  (error, code) => `[${error}] ${code}: `,
)
const { other_grant: _ofCamel, ...CAMEL } = printsOf(
  'client_credentials',
  (error, code) => `Login error code:[${error}] description:[${code}: `,
)

export const JAVA_ROWS: readonly ClientRow[] = [
  {
    name: 'Nimbus OAuth 2.0 SDK',
    package: 'oauth2-oidc-sdk',
    version: '11.39',
    toolchain: 'nimbus',
    tried: 'ci',
    grant: 'client_credentials',
    example: 'java/nimbus/Nimbus.java',
    settings: [
      ['ClientID', KEY_ID],
      ['Secret', KEY],
      ['token endpoint', OAUTH_URL],
      ['Scope', SCOPE],
    ],
    session: { next: 'succeeds', by: 'program' },
    sendsKeyToInstance: false,
    revokesToken: false,
    prints: printsOf('oauth', (error, code) => `${error}: ${code}: `),
    programs: { other_grant: 'Nimbus.java' },
    beware: ['It renews nothing by itself. `instance_url` is among the custom parameters.'],
  },
  {
    name: 'Spring Security',
    package: 'spring-security-oauth2-client',
    version: '7.1.2',
    toolchain: 'spring',
    tried: 'ci',
    grant: 'client_credentials',
    example: 'java/spring/Spring.java',
    settings: [
      ['client-id', KEY_ID],
      ['client-secret', KEY],
      ['token-uri', OAUTH_URL],
      ['scope', SCOPE],
      ['authorization-grant-type', 'client_credentials'],
    ],
    session: { next: 'succeeds', by: 'program' },
    sendsKeyToInstance: false,
    revokesToken: false,
    prints: {
      ...SPRING,
      wrong_key: '"error":"invalid_client","error_description":"caller_unauthenticated: ',
      rate: '"error":"temporarily_unavailable","error_description":"login_budget_exhausted: ',
    },
    beware: [
      'It drops `instance_url`. The example keeps it when the answer arrives. A program for one org may write its URL down instead.',
      'At a 401 of Salesforce, remove the authorized client. The next `authorize` then asks Valetkey.',
      'It asks again 60 seconds before the token expires. With a `token_lifetime` of 120 or less it asks for each call.',
    ],
  },
  {
    name: 'Apache Camel',
    package: 'camel-salesforce',
    version: '4.18.1',
    toolchain: 'camel',
    tried: 'compat',
    grant: 'client_credentials',
    example: 'java/camel/Camel.java',
    settings: [
      ['loginUrl', LOGIN_URL],
      ['clientId', KEY_ID],
      ['clientSecret', KEY],
      ['authenticationType', 'CLIENT_CREDENTIALS'],
    ],
    session: {
      next: 'fails',
      prints: 'Login error code:[invalid_client_id] description:[client identifier invalid]',
    },
    sendsKeyToInstance: true,
    revokesToken: true,
    prints: { ...CAMEL, rate: 'Login error status:[503] reason:[Service Unavailable]' },
    beware: [
      'At a 401 it sends the key to Salesforce, which refuses it, and calls fail until the route restarts.',
      'When it stops, it revokes the access token at Salesforce. This ends the session of everybody who holds that token. Give it an integration with an app of its own.',
      'It shows the answer of Valetkey only at status 400, and not at an outage.',
    ],
  },
]
