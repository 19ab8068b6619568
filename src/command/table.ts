/** All commands, in the order of the help. */
import { CALLER_COMMANDS } from './commands/callers.ts'
import { INCIDENT_COMMANDS } from './commands/incidents.ts'
import { INTEGRATION_COMMANDS } from './commands/integrations.ts'
import { LOCAL_COMMANDS } from './commands/local.ts'
import { TOKEN_COMMANDS } from './commands/tokens.ts'
import type { CommandSpec, OptionSpec } from './spec.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const

const COMPLETION: CommandSpec = {
  name: 'completion',
  summary: 'print the completion script of a shell',
  operands: [{ name: 'SHELL' }],
  examples: [
    ['source <(valetkey completion bash)', 'in ~/.bashrc'],
    ['source <(valetkey completion zsh)', 'in ~/.zshrc, after compinit'],
    ['valetkey completion fish > ~/.config/fish/completions/valetkey.fish', 'once'],
  ],
}

interface Group {
  readonly title: string
  readonly commands: readonly CommandSpec[]
}

export const GROUPS: readonly Group[] = [
  { title: 'Integrations', commands: INTEGRATION_COMMANDS },
  { title: 'Tokens and credentials', commands: TOKEN_COMMANDS },
  { title: 'Callers', commands: CALLER_COMMANDS },
  { title: 'Incidents', commands: INCIDENT_COMMANDS },
  { title: 'The service, and this machine', commands: [...LOCAL_COMMANDS, COMPLETION] },
]

export const COMMANDS: readonly CommandSpec[] = GROUPS.flatMap(({ commands }) => commands)

/** Of every command that calls a broker. */
export const REMOTE_OPTIONS: readonly OptionSpec[] = [
  { flags: '--url <url>', summary: 'of the broker (default: VALETKEY_URL, or the context)' },
  {
    flags: '--key-file <file>',
    summary: 'has the API key (default: VALETKEY_KEY, VALETKEY_KEY_FILE, or the context)',
    completes: 'file',
  },
  {
    flags: '--context <name>',
    summary: 'of valetkey login (default: VALETKEY_CONTEXT, or the last one)',
  },
]

/** Of every command. */
export const GENERAL_OPTIONS: readonly OptionSpec[] = [
  { flags: '--no-color', summary: 'no colours, as with NO_COLOR' },
  { flags: '-h, --help', summary: 'examples, operands and options' },
]

export const optionsOf = ({ options = [], isRemote }: CommandSpec): readonly OptionSpec[] => [
  ...options,
  ...(isRemote ? REMOTE_OPTIONS : []),
]
