/** `valetkey apply`: makes the integrations of files true. */
import type { RequestOf, ValetkeyClient } from '../../client/client.ts'
import { ProblemError } from '../../client/problem-error.ts'
import { confirmed } from '../ask.ts'
import { EXITS } from '../exits.ts'
import { listIntegrations } from '../remote/pages.ts'
import type { CommandInput } from '../spec.ts'
import type { Terminal } from '../terminal.ts'
import { changeText } from './difference.ts'
import { readDocuments } from './documents.ts'
import { type Planned, planFor } from './plan.ts'

interface ApplyOptions {
  readonly file: readonly string[]
  readonly dryRun?: boolean
  readonly prune?: boolean
  readonly label?: string
  readonly yes?: boolean
}

type Body = RequestOf<'putIntegration'>['body']

export async function runApply({ options, terminal, broker }: CommandInput): Promise<number> {
  const {
    file,
    dryRun = false,
    prune = false,
    label,
    yes = false,
  } = options as unknown as ApplyOptions
  const { integrations, notes } = readDocuments(file)
  for (const note of notes) terminal.note(note)
  const { client } = await broker()
  const names = new Set(integrations.map(({ name }) => name))
  const surplus = prune ? await surplusAt(client, names, label) : []
  let failures = 0
  const attempt = async (name: string, work: () => Promise<string>) => {
    try {
      terminal.print(`${name}: ${await work()}`)
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      failures += 1
      terminal.print(`${name}: ${terminal.paint('red', 'refused')}`)
      terminal.note(`${name}: ${error.message}`)
    }
  }
  for (const declared of integrations) {
    await attempt(declared.name, async () => {
      const planned = await planFor(client, declared)
      for (const change of planned.changes) {
        const text = changeText(change)
        const colour = text.startsWith('-') ? 'red' : text.startsWith('+') ? 'green' : 'yellow'
        terminal.print(`  ${terminal.paint(colour, text)}`)
      }
      return dryRun ? intentOf(planned) : write(client, planned)
    })
  }
  if (surplus.length > 0 && failures > 0) {
    terminal.note('nothing is deleted, because something was refused')
  } else if (surplus.length > 0) {
    const list = surplus.join(', ')
    if (dryRun) terminal.print(`to delete, with their secrets: ${list}`)
    else if (yes || (await confirmed(terminal, `Delete ${list}, with their secrets?`))) {
      failures += await deleteAll(client, surplus, terminal)
    }
  }
  return failures > 0 ? EXITS.ill : EXITS.ok
}

const INTENTS: Readonly<Record<Planned['action'], string>> = {
  create: 'to create',
  change: 'to change',
  compare: 'the broker compares the credential when it is applied',
  keep: 'unchanged',
}

const intentOf = ({ action }: Planned): string => INTENTS[action]

async function write(client: ValetkeyClient, planned: Planned): Promise<string> {
  const { declared, action, etag, sendsCredential } = planned
  if (action === 'keep') return 'unchanged'
  const { name, definition, credential } = declared
  const answer = await client.request('putIntegration', {
    path: { name },
    // The broker says what is wrong with it.
    body: { ...definition, ...(sendsCredential && { credential }) } as unknown as Body,
    ...(etag === undefined ? { ifNoneMatch: '*' } : { ifMatch: etag }),
  })
  if (answer.status === 201) return 'created'
  return answer.etag === etag ? 'unchanged' : 'changed'
}

/** Those of the API that no file declares. */
async function surplusAt(
  client: ValetkeyClient,
  names: ReadonlySet<string>,
  label: string | undefined,
) {
  const { items } = await listIntegrations(client, label === undefined ? {} : { label })
  return items
    .filter(({ name, managed_by }) => managed_by === 'api' && !names.has(name))
    .map(({ name }) => name)
}

/** Again while it helps, because one that another one needs can only go after it. Gives how many stayed. */
async function deleteAll(
  client: ValetkeyClient,
  names: readonly string[],
  terminal: Terminal,
): Promise<number> {
  let left = names
  for (;;) {
    const refused: [name: string, error: ProblemError][] = []
    for (const name of left) {
      try {
        await client.request('deleteIntegration', { path: { name }, ifMatch: '*' })
        terminal.print(`${name}: deleted`)
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error
        refused.push([name, error])
      }
    }
    if (refused.length === 0 || refused.length === left.length) {
      for (const [name, error] of refused) terminal.note(`${name}: ${error.message}`)
      return refused.length
    }
    left = refused.map(([name]) => name)
  }
}
