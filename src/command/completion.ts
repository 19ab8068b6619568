/** What a shell offers at the place of the cursor: commands, options, choices, and names of integrations. */
import tabRoot, { script } from '@bomb.sh/tab'
import { listIntegrations } from './remote/pages.ts'
import type { CommandSpec, OptionSpec, RemoteBroker } from './spec.ts'
import { COMMANDS, GENERAL_OPTIONS, optionsOf, SHELLS } from './table.ts'

/** The shell offers files itself. */
const DIRECTIVE_FILES = ':0'

type Complete = (value: string, description: string) => void

/** Writes the script to stdout. */
export const printScript = (shell: string): void => script(shell, 'valetkey', 'valetkey')

/** Writes the offers to stdout. `words`: without the name of the program; the last one is not complete. */
export async function complete(
  words: readonly string[],
  broker: () => Promise<RemoteBroker>,
  print: (line: string) => void,
): Promise<void> {
  const spec = COMMANDS.findLast(
    ({ name }) => name === words.slice(0, name.split(' ').length).join(' '),
  )
  const kind = spec ? kindAt(spec, words) : undefined
  if (kind === 'file') {
    print(DIRECTIVE_FILES)
    return
  }
  const names = kind === 'integration' ? await integrationNames(broker) : []
  const offer = (complete: Complete) => {
    for (const name of names) complete(name, '')
  }
  for (const one of COMMANDS) describe(one, offer)
  tabRoot.parse([...words])
}

function describe(spec: CommandSpec, offerNames: (complete: Complete) => void): void {
  const command = tabRoot.command(spec.name, spec.summary)
  for (const option of [...optionsOf(spec), ...GENERAL_OPTIONS]) {
    const { long, takesValue } = wordsOf(option)
    const { choices = [], completes, summary } = option
    if (!takesValue) command.option(long, summary)
    else {
      command.option(long, summary, (complete) => {
        for (const choice of choices) complete(choice, '')
        if (completes === 'integration') offerNames(complete)
      })
    }
  }
  for (const { name, completes, isList } of spec.operands ?? []) {
    const offer = (complete: Complete) => {
      if (completes === 'integration') offerNames(complete)
      if (spec.name === 'completion') for (const shell of SHELLS) complete(shell, '')
    }
    command.argument(name, offer, isList === true)
  }
}

function wordsOf({ flags }: OptionSpec) {
  const [, short, long = ''] = /^(?:(-\w), )?--([\w-]+)/.exec(flags) ?? []
  return { long, flags: [`--${long}`, ...(short ? [short] : [])], takesValue: flags.includes('<') }
}

/** What the last word is: a value of the option before it, or an operand. */
function kindAt(spec: CommandSpec, words: readonly string[]): OptionSpec['completes'] {
  const given = words.slice(spec.name.split(' ').length, -1)
  const options = optionsOf(spec).map((option) => ({ ...option, ...wordsOf(option) }))
  const optionAt = (word: string | undefined) =>
    options.find((one) => word !== undefined && one.flags.includes(word) && one.takesValue)
  const option = optionAt(given.at(-1))
  if (option) return option.completes
  if (words.at(-1)?.startsWith('-')) return undefined
  const place = given.filter((word, at) => !word.startsWith('-') && !optionAt(given[at - 1])).length
  const operands = spec.operands ?? []
  const last = operands.at(-1)
  return (operands[place] ?? (last?.isList ? last : undefined))?.completes
}

/** Nobody waits longer for a key of the keyboard; without an answer nothing is offered. */
const WAIT_MS = 1_500

async function integrationNames(broker: () => Promise<RemoteBroker>): Promise<readonly string[]> {
  const none = new Promise<readonly string[]>((resolve) => {
    setTimeout(resolve, WAIT_MS, []).unref()
  })
  const names = async () =>
    (await listIntegrations((await broker()).client, {})).items.map(({ name }) => name)
  // A message would be written into what is being typed.
  return Promise.race([none, names().catch(() => [])])
}
