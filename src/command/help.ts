/** The help of `valetkey` and of each command: examples first. */
import { EXIT_MEANINGS } from './exits.ts'
import type { CommandSpec, OperandSpec, OptionSpec } from './spec.ts'
import { GENERAL_OPTIONS, GROUPS, optionsOf } from './table.ts'

const WIDTH = 96
const NAME_WIDTH = 14

const operandText = ({ name, isOptional, isList }: OperandSpec) => {
  const text = `${name}${isList ? '…' : ''}`
  return isOptional ? `[${text}]` : text
}

/** As in `valetkey token NAME [options]`. */
export function usageOf(spec: CommandSpec): string {
  const operands = (spec.operands ?? []).map(operandText)
  const more = optionsOf(spec).length > 0 ? ['[options]'] : []
  return ['valetkey', spec.name, ...operands, ...more].join(' ')
}

/** Lines of at most 96 columns. */
function wrapped(text: string, indent: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && indent + last.length + word.length < WIDTH) {
      lines[lines.length - 1] = `${last} ${word}`
    } else lines.push(word)
  }
  return lines.map((line) => `${' '.repeat(indent)}${line}`)
}

const described = (name: string, text: string, width: number): readonly string[] => {
  const [first = '', ...rest] = wrapped(text, width + 4)
  return [`  ${name.padEnd(width)}  ${first.trimStart()}`, ...rest]
}

function optionLines(options: readonly OptionSpec[]): readonly string[] {
  const width = Math.max(...options.map(({ flags }) => flags.length))
  return options.flatMap(({ flags, summary, choices }) =>
    described(flags, choices ? `${summary}: ${choices.join(', ')}` : summary, width),
  )
}

export function commandHelp(spec: CommandSpec): string {
  const { summary, details, examples, exits = {} } = spec
  const codes = Object.entries({ 0: EXIT_MEANINGS[0] ?? '', ...exits })
  return [
    `${spec.name}: ${summary}`,
    '',
    'Examples:',
    ...examples.flatMap(([command, does]) => [`  ${command}`, ...wrapped(does, 6)]),
    '',
    `Usage: ${usageOf(spec)}`,
    ...(details ? ['', ...wrapped(details, 0)] : []),
    '',
    'Options:',
    ...optionLines([...optionsOf(spec), ...GENERAL_OPTIONS]),
    '',
    'Exit codes:',
    ...codes.flatMap(([code, meaning]) => described(code, meaning, 3)),
    ...wrapped('others as in valetkey --help', 2),
    '',
  ].join('\n')
}

export function overview(): string {
  return [
    'usage: valetkey [command] [options]',
    '',
    ...GROUPS.flatMap(({ title, commands }) => [
      `${title}:`,
      ...commands.flatMap(({ name, summary }) => described(name, summary, NAME_WIDTH)),
      '',
    ]),
    'Options:',
    ...optionLines([{ flags: '-V, --version', summary: 'version and commit' }, ...GENERAL_OPTIONS]),
    '',
    'Exit codes:',
    ...Object.entries(EXIT_MEANINGS).flatMap(([code, meaning]) => described(code, meaning, 3)),
    '',
    'valetkey help COMMAND shows examples and options. VALETKEY_URL and VALETKEY_KEY name the broker',
    'and the key of remote commands, or valetkey login keeps them.',
    '',
  ].join('\n')
}
