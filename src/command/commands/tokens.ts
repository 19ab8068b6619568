/** The commands for tokens and credentials. Their code is loaded when they run. */
import type { LoadedCommand } from '../spec.ts'
import { JSON_OPTION, NAME, NAMES } from './common.ts'

export const TOKEN_COMMANDS: readonly LoadedCommand[] = [
  {
    name: 'token',
    summary: 'print the current access token of an integration',
    details:
      '`env` prints variables for the shell, with the names of the Salesforce command line. `curl` prints a configuration for curl, so that the token is in no argument.',
    operands: [NAME],
    options: [
      {
        flags: '-o, --output <form>',
        summary: 'what is printed (default: token)',
        choices: ['token', 'header', 'json', 'env', 'curl'],
      },
      {
        flags: '--min-ttl <seconds>',
        summary: 'the token must be good for so long, 0 to 3600 (default: 30)',
        reads: 'integer',
      },
      {
        flags: '--rejected <token-id>',
        summary: 'Salesforce answered 401 to this token: get another one',
      },
    ],
    examples: [
      ['valetkey token billing', 'the token alone'],
      [
        'eval "$(valetkey token billing --output env)"',
        'SF_ACCESS_TOKEN and SF_ORG_INSTANCE_URL, for `sf org login access-token --instance-url "$SF_ORG_INSTANCE_URL" --no-prompt`',
      ],
      [
        'valetkey token billing --output curl | curl --config - https://acme.my.salesforce.com/services/data/v66.0/limits',
        'a call with the token',
      ],
    ],
    isRemote: true,
    load: async () => (await import('../remote/token.ts')).runToken,
  },
  {
    name: 'test',
    summary: 'run the doctor on integrations: a real login with all checks',
    operands: [NAMES],
    options: [JSON_OPTION],
    examples: [['valetkey test billing', 'why it gets no token, and the remedy']],
    exits: { 1: 'a check failed' },
    isRemote: true,
    load: async () => (await import('../remote/report.ts')).runTest,
  },
  {
    name: 'probe dpop',
    summary: 'find out what your org does with DPoP (experimental)',
    details:
      'Asks first. Makes up to 8 logins as the integration, and some 30 requests that only read. Salesforce may give the probe the token that is in use, bound to another key: use a sandbox, or an integration that nobody needs now. An integration that presents a refresh token is probed without a login, with the token that is there. The report names no integration, org, host or user and has no secret, so that you can send it to the maintainers. Your API key needs integrations:test.',
    operands: [{ name: 'NAME', completes: 'integration' }],
    options: [
      { flags: '--yes', summary: 'do not ask' },
      {
        flags: '-o, --output <form>',
        summary: 'what is printed (default: table)',
        choices: ['table', 'json'],
      },
    ],
    examples: [
      ['valetkey probe dpop billing', 'after a question'],
      ['valetkey probe dpop billing --yes --output json > report.json', 'to send it'],
    ],
    exits: { 1: 'you said no' },
    isRemote: true,
    load: async () => (await import('../remote/probe.ts')).runProbeDpop,
  },
  {
    name: 'setup',
    summary: 'print what to set in Salesforce for an integration, field by field',
    operands: [NAME],
    options: [{ flags: '--open', summary: 'open the Setup of the org in a browser' }, JSON_OPTION],
    examples: [['valetkey setup billing --open', 'the sheet beside Setup']],
    isRemote: true,
    load: async () => (await import('../remote/setup.ts')).runSetup,
  },
  {
    name: 'connect',
    summary: 'let a person at Salesforce connect an integration',
    details:
      'Prints the link and opens it, then waits for the result. The link is as good as a password until it expires.',
    operands: [NAME],
    options: [
      { flags: '--device', summary: 'show a code to enter at Salesforce instead' },
      {
        flags: '--scope <scope>',
        summary: 'ask for this scope only; may be repeated',
        repeats: true,
      },
      { flags: '--no-open', summary: 'do not open a browser' },
    ],
    examples: [
      ['valetkey connect crm', 'in your own browser'],
      ['valetkey connect crm --no-open', 'to send the link to somebody'],
    ],
    exits: { 1: 'it is not connected' },
    isRemote: true,
    load: async () => (await import('../remote/connect.ts')).runConnect,
  },
  {
    name: 'rotate',
    summary: 'replace a credential, and watch until the former one is erased',
    details:
      'Stages a new key, says what to upload where (or deploys it), and prints each step: staged, uploaded, refused while the change spreads (2 to 10 minutes), proven, active, erased. The broker does the work: Ctrl-C ends only the view, and the same command joins in again. Tokens that are out stay valid.',
    operands: [NAME],
    options: [
      {
        flags: '--deploy',
        summary: 'let the broker upload it, by the member "deployment" of the integration',
      },
      {
        flags: '--timeout <duration>',
        summary: 'how long to watch, as in 90s, 15m or 1h (default: 15m)',
        reads: 'duration',
      },
      {
        flags: '--certificate <file>',
        summary: 'write the certificate to a file',
        completes: 'file',
      },
      {
        flags: '--client-secret-file <file>',
        summary: 'the new client secret, for an app with a secret',
        completes: 'file',
      },
      {
        flags: '--new',
        summary:
          'begin a new rotation although the former credential of the last one is still kept',
      },
    ],
    examples: [
      ['valetkey rotate billing --certificate billing.crt', 'to upload the certificate yourself'],
      ['valetkey rotate billing --deploy', 'the broker uploads it'],
    ],
    exits: {
      1: 'the rotation failed; the former credential works as before',
      75: 'the time is over and the rotation goes on',
    },
    isRemote: true,
    load: async () => (await import('../rotate/rotate.ts')).runRotate,
  },
]
