/** What a shell offers at the place of the cursor: commands, options, choices, and names of integrations. */
import { listIntegrations } from './remote/pages.ts'
import type { CommandSpec, OptionSpec, RemoteBroker } from './spec.ts'
import { COMMANDS, GENERAL_OPTIONS, optionsOf, SHELLS } from './table.ts'

/** The last line that is written: whether the shell offers files too. */
const FILES = ':files'
const NO_FILES = ':none'

interface Offer {
  readonly value: string
  readonly summary: string
}

type Kind = OptionSpec['completes']

interface Offers {
  readonly offers: readonly Offer[]
  readonly kind?: Kind
}

const plain = (values: readonly string[]): readonly Offer[] =>
  values.map((value) => ({ value, summary: '' }))

/** Writes a line for each offer, with a tab before what it means, and then the one about files. `words`: without the name of the program; the last one is not complete. */
export async function complete(
  words: readonly string[],
  broker: () => Promise<RemoteBroker>,
  print: (line: string) => void,
): Promise<void> {
  // Bash makes a word of its own of an equals sign.
  const given = words.at(-1) === '=' ? [...words.slice(0, -1), ''] : words
  const parts = given.filter((word) => word !== '=')
  const current = parts.at(-1) ?? ''
  const { offers, kind } = offersAt(parts.slice(0, -1), current)
  const names = kind === 'integration' ? plain(await integrationNames(broker)) : []
  for (const { value, summary } of [...offers, ...names]) {
    if (value.startsWith(current)) print(`${value}\t${summary}`)
  }
  print(kind === 'file' ? FILES : NO_FILES)
}

function offersAt(before: readonly string[], current: string): Offers {
  const spec = COMMANDS.findLast(
    ({ name }) => name === before.slice(0, name.split(' ').length).join(' '),
  )
  if (!spec) return { offers: commandsAfter(before[0] === 'help' ? before.slice(1) : before) }
  const options = [...optionsOf(spec), ...GENERAL_OPTIONS].map(wordsOf)
  const optionOf = (word: string | undefined) =>
    options.find(({ flags, takesValue }) => takesValue && flags.includes(word ?? ''))
  const waiting = optionOf(before.at(-1))
  if (waiting) return { offers: plain(waiting.choices), kind: waiting.completes }
  const [, joined] = /^(--[\w-]+)=/.exec(current) ?? []
  if (joined !== undefined) {
    const { choices = [] } = optionOf(joined) ?? {}
    return { offers: plain(choices.map((choice) => `${joined}=${choice}`)) }
  }
  if (current.startsWith('-')) {
    return { offers: options.map(({ long, summary }) => ({ value: long, summary })) }
  }
  const operands = before
    .slice(spec.name.split(' ').length)
    .filter((word, at, all) => !word.startsWith('-') && !optionOf(all[at - 1]))
  return operandAt(spec, operands.length)
}

/** The next word of each command that begins with these words. */
function commandsAfter(before: readonly string[]): readonly Offer[] {
  const found = new Map<string, string>()
  for (const { name, summary } of COMMANDS) {
    const words = name.split(' ')
    const next = words[before.length]
    if (next === undefined || !before.every((word, at) => words[at] === word)) continue
    found.set(next, words.length > before.length + 1 ? '' : summary)
  }
  return [...found].map(([value, summary]) => ({ value, summary }))
}

function operandAt({ name, operands = [] }: CommandSpec, place: number): Offers {
  if (name === 'completion') return { offers: place === 0 ? plain(SHELLS) : [] }
  const last = operands.at(-1)
  const operand = operands[place] ?? (last?.isList ? last : undefined)
  return { offers: [], kind: operand?.completes }
}

function wordsOf({ flags, summary, choices = [], completes }: OptionSpec) {
  const [, short, long = ''] = /^(?:(-\w), )?(--[\w-]+)/.exec(flags) ?? []
  return {
    ...{ long, summary, choices, completes, takesValue: flags.includes('<') },
    flags: short === undefined ? [long] : [short, long],
  }
}

/** Nobody waits longer for a key of the keyboard; without an answer nothing is offered. */
const WAIT_MS = 1_500

async function integrationNames(broker: () => Promise<RemoteBroker>): Promise<readonly string[]> {
  const signal = AbortSignal.timeout(WAIT_MS)
  try {
    const { items } = await listIntegrations((await broker()).client, {}, signal)
    return items.map(({ name }) => name)
  } catch {
    // A message would be written into what is being typed.
    return []
  }
}
