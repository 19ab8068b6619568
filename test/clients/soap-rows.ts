/** Clients with SOAP login, which Salesforce ends on 2027-06-01. */
import type { ClientRow } from './client-row.ts'
import { KEY, LOGIN_URL, NAME } from './setting-values.ts'

const soap = {
  tried: 'ci',
  grant: 'SOAP login',
  sendsKeyToInstance: false,
  revokesToken: false,
} as const

/** What the code of a fault and its text are printed as. */
const printsOfFaults = (print: (code: string, text: string) => string, rate: string) => ({
  wrong_key: print('INVALID_LOGIN', 'Invalid username, password, security token'),
  wrong_name: print('INVALID_LOGIN', 'integration_not_found: '),
  forbidden: print('INVALID_LOGIN', 'Invalid username, password, security token'),
  rate: print(rate, 'login_budget_exhausted: '),
  version: print('UNSUPPORTED_API_VERSION', 'request_invalid: The URL names no version'),
})

const faultOfWsc = (code: string, text: string) =>
  `exceptionCode='${code}' exceptionMessage='${text}`

export const SOAP_ROWS: readonly ClientRow[] = [
  {
    ...soap,
    name: 'jsforce',
    package: 'jsforce',
    version: '3.10.26',
    toolchain: 'node',
    example: 'node/soap-jsforce.mjs',
    settings: [
      ['loginUrl', LOGIN_URL],
      ['login(username, …)', NAME],
      ['login(…, password)', KEY],
    ],
    session: { next: 'succeeds', by: 'client' },
    prints: {
      ...printsOfFaults((code, text) => `${code}: ${text}`, 'LOGIN_RATE_EXCEEDED'),
      operation: 'INVALID_OPERATION: request_invalid: This is the login host, ',
    },
    programs: { version: 'soap-jsforce-version.mjs', operation: 'soap-jsforce-operation.mjs' },
    beware: ['With SOAP login, set `loginUrl` and no `oauth2`.'],
  },
  {
    ...soap,
    name: 'simple-salesforce',
    package: 'simple-salesforce',
    version: '1.12.10',
    toolchain: 'python',
    example: 'python/soap_simple_salesforce.py',
    settings: [
      ['scratch_url', LOGIN_URL],
      ['username', NAME],
      ['password', KEY],
      ['security_token', 'the empty text'],
    ],
    session: { next: 'succeeds', by: 'program' },
    prints: {
      ...printsOfFaults((code, text) => `(code: ${code}): ${text}`, 'REQUEST_LIMIT_EXCEEDED'),
      operation: "'errorCode': 'MISDIRECTED_REQUEST', 'message': 'This is the login host. ",
    },
    programs: { version: 'soap_simple_version.py', operation: 'soap_simple_operation.py' },
    beware: [
      '`scratch_url` is a parameter of `SalesforceLogin` only. Give `session_id` and `instance` to `Salesforce`.',
    ],
  },
  {
    ...soap,
    name: 'Force.com WSC',
    package: 'force-partner-api',
    version: '65.0.0',
    toolchain: 'wsc',
    example: 'java/soap-wsc/SoapWsc.java',
    settings: [
      ['setAuthEndpoint', `${LOGIN_URL}/services/Soap/u/65.0`],
      ['setUsername', NAME],
      ['setPassword', KEY],
      ['setSessionRenewer', 'a function that logs in again'],
    ],
    session: { next: 'succeeds', by: 'program' },
    prints: {
      ...printsOfFaults(faultOfWsc, 'REQUEST_LIMIT_EXCEEDED'),
      operation: faultOfWsc('INVALID_OPERATION', 'request_invalid: This is the login host, '),
    },
    programs: { version: 'SoapWscVersion.java', operation: 'SoapWscOperation.java' },
    beware: [
      'Salesforce has no `login()` in version 65.0. Valetkey takes every version.',
      'Set an endpoint: `Connector.newConnection(user, password)` logs in at a host inside Salesforce.',
      'Set both time-outs. It has none by default.',
      'Without a `SessionRenewer`, the call after the end of the session fails with `INVALID_SESSION_ID`.',
    ],
  },
]
