/** Generates the commands of `docs/command-line.md`, and the man page, from the table of commands. */
import { EXIT_MEANINGS } from '../src/command/exits.ts'
import { usageOf } from '../src/command/help.ts'
import type { CommandSpec, OptionSpec } from '../src/command/spec.ts'
import { COMMANDS, GENERAL_OPTIONS, GROUPS, REMOTE_OPTIONS } from '../src/command/table.ts'

const GENERAL = 'valetkey'

const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')

const summaryOf = ({ summary, choices }: OptionSpec) =>
  choices ? `${summary}: ${choices.map((one) => `\`${one}\``).join(', ')}` : summary

const optionTable = (options: readonly OptionSpec[]) =>
  tableOf(
    ['option', 'meaning'],
    options.map((option) => [`\`${option.flags}\``, summaryOf(option)]),
  )

export function renderCommandDocs(): string {
  return [
    tableOf(
      ['command', 'what it does'],
      COMMANDS.map(({ name, summary }) => [`[\`${name}\`](#${anchorOf(name)})`, summary]),
    ),
    '### Options of all commands',
    optionTable(GENERAL_OPTIONS),
    '### Options of remote commands',
    optionTable(REMOTE_OPTIONS),
    '### Exit codes',
    tableOf(['code', 'meaning'], Object.entries(EXIT_MEANINGS)),
    ...GROUPS.flatMap(({ commands }) => commands.map(sectionOf)),
  ].join('\n\n')
}

const anchorOf = (name: string) => `${GENERAL}-${name}`.replaceAll(' ', '-')

function sectionOf(spec: CommandSpec): string {
  const { name, summary, details, examples, options = [], exits = {}, isRemote } = spec
  return [
    `### ${GENERAL} ${name}`,
    `${sentence(summary)}${isRemote ? ' A remote command.' : ''}`,
    [
      '```console',
      ...examples.flatMap(([command, does]) => [`# ${does}`, `$ ${command}`]),
      '```',
    ].join('\n'),
    `\`${usageOf(spec)}\``,
    ...(details ? [details] : []),
    ...(options.length > 0 ? [optionTable(options)] : []),
    ...Object.entries(exits).map(([code, meaning]) => `Exit code ${code}: ${meaning}.`),
  ].join('\n\n')
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

/** In roff, with the macros of man(7). */
export function renderManPage(): string {
  return [
    '.\\" Made by `npm run generate` from the table of commands.',
    '.TH VALETKEY 1 "" "Valetkey" "Valetkey"',
    '.SH NAME',
    'valetkey \\- a Salesforce token broker, and its command line',
    '.SH SYNOPSIS',
    '.B valetkey',
    '.RI [ command ] " " [ options ]',
    '.SH DESCRIPTION',
    roff(
      'Without a command, valetkey runs the service. Remote commands call a broker: VALETKEY_URL and VALETKEY_KEY name it and the key, or valetkey login keeps them. A key is never an argument.',
    ),
    ...GROUPS.flatMap(({ title, commands }) => [
      `.SH ${title.toUpperCase()}`,
      ...commands.flatMap(manEntryOf),
    ]),
    '.SH OPTIONS OF REMOTE COMMANDS',
    ...REMOTE_OPTIONS.flatMap(manOptionOf),
    '.SH OPTIONS OF ALL COMMANDS',
    ...GENERAL_OPTIONS.flatMap(manOptionOf),
    '.SH EXIT STATUS',
    ...Object.entries(EXIT_MEANINGS).flatMap(([code, meaning]) => [
      '.TP',
      `.B ${code}`,
      roff(meaning),
    ]),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(([name, meaning]) => ['.TP', `.B ${name}`, roff(meaning)]),
    '.SH FILES',
    '.TP',
    '.I ~/.config/valetkey/config.yaml',
    roff('The contexts of valetkey login, with their keys. Mode 0600.'),
    '',
  ].join('\n')
}

const ENVIRONMENT = [
  ['VALETKEY_URL', 'The URL of the broker.'],
  ['VALETKEY_KEY, VALETKEY_KEY_FILE', 'The API key, or the file that has it.'],
  ['VALETKEY_CONTEXT', 'The context of valetkey login.'],
  ['VISUAL, EDITOR', 'The editor of valetkey edit.'],
  ['NO_COLOR', 'If it is not empty: no colours.'],
  ['XDG_CONFIG_HOME', 'The folder of the contexts, instead of ~/.config.'],
  ['NODE_EXTRA_CA_CERTS', 'A file of certificates that the command trusts too, in PEM.'],
] as const

const manEntryOf = (spec: CommandSpec): readonly string[] => {
  const { summary, details, examples, options = [], exits = {} } = spec
  return [
    `.SS ${roff(usageOf(spec))}`,
    roff(sentence(summary)),
    ...(details ? [roff(details)] : []),
    ...options.flatMap(manOptionOf),
    ...Object.entries(exits).flatMap(([code, meaning]) => [
      '.TP',
      `Exit status ${code}`,
      roff(meaning),
    ]),
    '.PP',
    'Examples:',
    ...examples.flatMap(([command, does]) => ['.TP', `.B ${roff(command)}`, roff(does)]),
  ]
}

const manOptionOf = (option: OptionSpec): readonly string[] => [
  '.TP',
  `.B ${roff(option.flags)}`,
  roff(summaryOf(option).replaceAll('`', '')),
]

/** As a text line of roff: neither escapes nor requests of its own. */
const roff = (text: string) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll('…', '...')
    .replace(/^([.'])/, '\\&$1')
