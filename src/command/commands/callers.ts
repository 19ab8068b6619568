/** The commands for callers, and to sign in. Their code is loaded when they run. */
import type { LoadedCommand } from '../spec.ts'
import { JSON_OPTION } from './common.ts'

export const CALLER_COMMANDS: readonly LoadedCommand[] = [
  {
    name: 'keys create',
    summary: 'make an API key and print it once',
    operands: [{ name: 'NAME' }],
    options: [
      {
        flags: '--permission <permission>',
        summary: 'as in tokens:read; may be repeated',
        isRequired: true,
        repeats: true,
      },
      {
        flags: '--integration <glob>',
        summary: 'as in billing-*; may be repeated',
        isRequired: true,
        repeats: true,
        completes: 'integration',
      },
      {
        flags: '--label <key:value>',
        summary: 'only integrations with this label; may be repeated',
        repeats: true,
      },
      {
        flags: '--network <cidr>',
        summary: 'only from this network; may be repeated',
        repeats: true,
      },
      {
        flags: '--request <pattern>',
        summary: 'only for these requests, at the gateway or with proofs; may be repeated',
        repeats: true,
      },
      { flags: '--expires <duration>', summary: 'as in 90d (default: a year)', reads: 'duration' },
      {
        flags: '--out <file>',
        summary: 'write the key to a new file with mode 0600',
        completes: 'file',
      },
      JSON_OPTION,
    ],
    examples: [
      [
        'valetkey keys create billing --permission tokens:read --integration "billing-*" --out billing.key',
        'for a service',
      ],
    ],
    isRemote: true,
    load: async () => (await import('../remote/keys.ts')).runKeysCreate,
  },
  {
    name: 'keys list',
    summary: 'list the API keys that you may revoke',
    options: [JSON_OPTION],
    examples: [['valetkey keys list', 'with their ids']],
    isRemote: true,
    load: async () => (await import('../remote/keys.ts')).runKeysList,
  },
  {
    name: 'keys revoke',
    summary: 'revoke API keys by their ids',
    operands: [{ name: 'ID', isList: true }],
    options: [{ flags: '--with-children', summary: 'and all keys that were made with them' }],
    examples: [['valetkey keys revoke 0123abcd', 'its next request gets 401']],
    isRemote: true,
    load: async () => (await import('../remote/keys.ts')).runKeysRevoke,
  },
  {
    name: 'policy suggest',
    summary: 'print the smallest requests for each caller of an integration (experimental)',
    details:
      'From the proofs that callers asked for in the last 30 days, and those that they were refused. With a key that has integrations:read.',
    operands: [{ name: 'NAME', completes: 'integration' }],
    options: [JSON_OPTION],
    examples: [['valetkey policy suggest billing', 'as YAML, for the requests of a key']],
    exits: { 1: 'nobody named a request' },
    isRemote: true,
    load: async () => (await import('../remote/policy.ts')).runPolicySuggest,
  },
  {
    name: 'audit',
    summary: 'print what was done, oldest first',
    options: [
      {
        flags: '--integration <name>',
        summary: 'only events of this integration',
        completes: 'integration',
      },
      { flags: '--principal <id>', summary: 'only events of this principal' },
      { flags: '--action <action>', summary: 'only this action, as in token.revoked' },
      {
        flags: '--since <time>',
        summary: 'from this time on: RFC 3339, or a duration before now such as 2h',
      },
      { flags: '--until <time>', summary: 'before this time' },
      {
        flags: '--limit <count>',
        summary: 'the newest events, so many at most (default: 50)',
        reads: 'integer',
      },
      { flags: '--follow', summary: 'go on with new events, until Ctrl-C' },
      JSON_OPTION,
    ],
    examples: [
      ['valetkey audit --integration billing --since 2h', 'the last two hours'],
      ['valetkey audit --follow', 'what happens now'],
    ],
    isRemote: true,
    load: async () => (await import('../remote/audit.ts')).runAudit,
  },
  {
    name: 'login',
    summary: 'sign in to a broker: keep its URL and your key as a context',
    details:
      'Asks for the key, or reads it from the standard input; a key is never an argument, because other users can see those. Checks it, and writes it to ~/.config/valetkey/config.yaml with mode 0600. Without --url, a context that exists becomes the current one, and no key is asked for.',
    operands: [{ name: 'CONTEXT', isOptional: true }],
    options: [{ flags: '--url <url>', summary: 'of the broker (default: VALETKEY_URL)' }],
    examples: [
      ['valetkey login production --url https://valetkey.internal', 'asks for the key'],
      ['valetkey login production', 'use this context from now on'],
    ],
    load: async () => (await import('../remote/login.ts')).runLogin,
  },
  {
    name: 'logout',
    summary: 'delete a context with its key',
    operands: [{ name: 'CONTEXT', isOptional: true }],
    examples: [['valetkey logout production', 'the key itself stays valid']],
    load: async () => (await import('../remote/login.ts')).runLogout,
  },
]
