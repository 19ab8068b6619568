/** The commands for an incident. Their code is loaded when they run. */
import type { LoadedCommand } from '../spec.ts'
import { JSON_OPTION } from './common.ts'

const TIMEOUT = {
  flags: '--timeout <duration>',
  summary: 'how long to watch, as in 90s or 15m (default: 15m)',
  reads: 'duration',
} as const

export const INCIDENT_COMMANDS: readonly LoadedCommand[] = [
  {
    name: 'freeze',
    summary: 'stop integrations at once, and revoke their tokens at Salesforce',
    details:
      'Callers get 409 integration_frozen with the reason, and nothing is minted, until every freeze of an integration is lifted. Selects integrations that any of the names and options select, also those that are made later. Shows how many tokens have ended; the broker goes on without this command.',
    operands: [{ name: 'NAME', isOptional: true, isList: true, completes: 'integration' }],
    options: [
      {
        flags: '--reason <text>',
        summary: 'why; callers see it, so it must contain no secret',
        isRequired: true,
      },
      {
        flags: '--label <key:value>',
        summary: 'integrations with this label; several: with all of them',
        repeats: true,
      },
      { flags: '--client-id <id>', summary: 'those of this consumer key', repeats: true },
      { flags: '--org-id <id>', summary: 'those of this org', repeats: true },
      { flags: '--all', summary: 'all integrations' },
      { flags: '--no-revoke', summary: 'do not revoke tokens at Salesforce' },
      {
        flags: '--revoke-refresh-tokens',
        summary: 'revoke refresh tokens too; a person must connect those integrations again',
      },
      { flags: '--yes', summary: 'with --all: do not ask' },
      TIMEOUT,
    ],
    examples: [
      ['valetkey freeze billing crm --reason "INC-4711: tokens were stolen"', 'two integrations'],
      ['valetkey freeze --org-id 00D000000000001 --reason "INC-4711"', 'all of an org'],
    ],
    exits: {
      1: 'some tokens could not be ended yet, and the broker tries them for 7 days; or the freeze selects fewer integrations than you named, or none',
      75: 'the time is over and the broker goes on',
    },
    isRemote: true,
    load: async () => (await import('../remote/freezes.ts')).runFreeze,
  },
  {
    name: 'freezes',
    summary: 'list the freezes in force, or watch one until its tokens have ended',
    details:
      'Shows when each began, its reason, and how many live tokens have ended at Salesforce, how many are left, and how many failed.',
    operands: [{ name: 'ID', isOptional: true }],
    options: [TIMEOUT, JSON_OPTION],
    examples: [
      ['valetkey freezes', 'with their ids'],
      ['valetkey freezes frz_0123', 'how far it is'],
    ],
    exits: {
      1: 'some tokens could not be ended yet, or the freeze selects fewer integrations than it names, or none',
      75: 'the time is over',
    },
    isRemote: true,
    load: async () => (await import('../remote/freezes.ts')).runFreezes,
  },
  {
    name: 'thaw',
    summary: 'lift freezes by their ids',
    operands: [{ name: 'ID', isList: true }],
    examples: [['valetkey thaw frz_0123', 'its integrations give tokens again']],
    isRemote: true,
    load: async () => (await import('../remote/freezes.ts')).runThaw,
  },
]
