/** The commands for integrations. Their code is loaded when they run. */
import type { LoadedCommand } from '../spec.ts'
import { JSON_OPTION, NAME, NAMES } from './common.ts'

const YES = { flags: '--yes', summary: 'do not ask' } as const
const LABEL = {
  flags: '--label <key:value>',
  summary: 'only integrations with this label',
} as const
const STATES = [
  ...['draft', 'unproven', 'ready', 'propagating', 'refused', 'identity_changed', 'disabled'],
  ...['not_connected', 'frozen'],
]

export const INTEGRATION_COMMANDS: readonly LoadedCommand[] = [
  {
    name: 'status',
    summary: 'show the state of integrations as a table',
    details:
      'Shows what is left of the token, when it is refreshed, what is left of the certificate, logins of the last hour, callers since midnight (UTC) and the last refusal. Red needs a person: a refusal, another identity, a lost connection, a corrupt record, or a certificate with 14 whole days or fewer. An integration that is `frozen` gives no token until every freeze of it is lifted.',
    operands: [{ ...NAMES, isOptional: true }],
    options: [
      { flags: '--state <state>', summary: 'only integrations in this state', choices: STATES },
      LABEL,
      {
        flags: '--watch',
        summary: 'show it again every two seconds, until Ctrl-C; in a pipe, a line for each change',
      },
      JSON_OPTION,
    ],
    examples: [
      ['valetkey status', 'all integrations'],
      [
        'valetkey status --state refused --label team:billing',
        'those of a team that Salesforce refuses',
      ],
      ['valetkey status > /dev/null || echo "look at Salesforce"', 'for cron'],
    ],
    exits: { 1: 'an integration needs a person' },
    isRemote: true,
    load: async () => (await import('../remote/status.ts')).runStatus,
  },
  {
    name: 'apply',
    summary: 'create and change integrations as YAML files say',
    details:
      'The files have the shape of the configuration file. Secrets are in files, which members with `_file` name, from the current folder. Prints what differs, and writes only that. A credential that the broker knows is not sent again, so that a rotation is not undone. `callers` and `issuers` are left to the configuration file of the broker.',
    options: [
      {
        flags: '-f, --file <path>',
        summary: 'a file, a folder of .yaml, .yml and .json files, or - for the standard input',
        repeats: true,
        isRequired: true,
        completes: 'file',
      },
      { flags: '--dry-run', summary: 'print what differs, and write nothing' },
      {
        flags: '--prune',
        summary: 'delete integrations that no file declares and that the API made',
      },
      {
        flags: '--label <key:value>',
        summary: 'with --prune: delete only integrations with this label',
      },
      { flags: '--yes', summary: 'with --prune: do not ask' },
    ],
    examples: [
      ['valetkey apply -f integrations.yaml --dry-run', 'what would change'],
      [
        'valetkey apply -f integrations/ --prune --label team:billing',
        'all of a team, and no others of that team',
      ],
    ],
    exits: { 1: 'the broker refused an integration; the others are written' },
    isRemote: true,
    load: async () => (await import('../apply/apply.ts')).runApply,
  },
  {
    name: 'get',
    summary: 'print an integration as YAML that apply takes',
    operands: [NAME],
    options: [
      {
        flags: '-o, --output <form>',
        summary: 'what is printed (default: yaml); json has its status too',
        choices: ['yaml', 'json'],
      },
    ],
    examples: [['valetkey get billing > billing.yaml', 'to change it and apply it']],
    isRemote: true,
    load: async () => (await import('../remote/definitions.ts')).runGet,
  },
  {
    name: 'edit',
    summary: 'change an integration in your editor',
    details:
      'Starts $VISUAL or $EDITOR. The broker refuses the change if somebody else changed the integration meanwhile. Your text is kept if it is refused.',
    operands: [NAME],
    examples: [['EDITOR=nano valetkey edit billing', 'with another editor']],
    isRemote: true,
    load: async () => (await import('../remote/definitions.ts')).runEdit,
  },
  {
    name: 'delete',
    summary: 'delete integrations with their secrets, and revoke their tokens',
    operands: [NAMES],
    options: [YES],
    examples: [['valetkey delete billing-old', 'after a question']],
    isRemote: true,
    load: async () => (await import('../remote/definitions.ts')).runDelete,
  },
  {
    name: 'enable',
    summary: 'let integrations hand out tokens again',
    operands: [NAMES],
    examples: [['valetkey enable billing', 'tokens are served again']],
    isRemote: true,
    load: async () => (await import('../remote/definitions.ts')).runEnable,
  },
  {
    name: 'disable',
    summary: 'stop integrations from handing out tokens',
    operands: [NAMES],
    examples: [['valetkey disable billing', 'callers get 409 integration_disabled']],
    isRemote: true,
    load: async () => (await import('../remote/definitions.ts')).runDisable,
  },
]
