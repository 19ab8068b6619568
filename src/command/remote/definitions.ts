/** `valetkey get`, `edit`, `delete`, `enable` and `disable`: single integrations. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { RequestOf, ValetkeyClient } from '../../client/client.ts'
import { ProblemError, UnreachableError } from '../../client/problem-error.ts'
import { changesBetween, changeText, writableIn } from '../apply/difference.ts'
import { mappingIn, parsed } from '../apply/documents.ts'
import { confirmed } from '../ask.ts'
import { CommandError, EXITS } from '../exits.ts'
import type { CommandInput } from '../spec.ts'

type Body = RequestOf<'putIntegration'>['body']

const FILE_MODE = 0o600
const KEPT = '# The credential stays in the broker: without a member "credential" it is kept.\n'

const readOne = (client: ValetkeyClient, name: string) =>
  client.request('getIntegration', { path: { name } })

/** In the shape of the configuration file, so that `valetkey apply` takes it. */
const yamlOf = (name: string, integration: object) =>
  KEPT + stringify({ integrations: { [name]: writableIn(integration) } })

export async function runGet({ operands, options, terminal, broker }: CommandInput) {
  const { output = 'yaml' } = options as { readonly output?: 'yaml' | 'json' }
  const [name = ''] = operands
  const { body } = await readOne((await broker()).client, name)
  terminal.print(output === 'json' ? JSON.stringify(body) : yamlOf(name, body).trimEnd())
  return EXITS.ok
}

export async function runEdit({ operands, env, terminal, broker }: CommandInput) {
  const [name = ''] = operands
  const { client } = await broker()
  const { body: before, etag } = await readOne(client, name)
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-'))
  const path = join(folder, `${name}.yaml`)
  writeFileSync(path, yamlOf(name, before), { mode: FILE_MODE })
  let isDone = false
  try {
    const wanted = await edited(path, name, env.VISUAL || env.EDITOR || 'vi')
    const changes = changesBetween(writableIn(before), wanted)
    const { credential: kept } = before
    const isSame =
      changes.length === 0 && JSON.stringify(wanted.credential) === JSON.stringify(kept)
    if (!isSame) {
      for (const change of changes) terminal.print(`  ${changeText(change)}`)
      const ifMatch = etag ?? '*'
      const change = { path: { name }, body: wanted as unknown as Body, ifMatch }
      await client.request('putIntegration', change)
    }
    terminal.print(`${name}: ${isSame ? 'unchanged' : 'changed'}`)
    isDone = true
    return EXITS.ok
  } catch (error) {
    const isTold = error instanceof ProblemError || error instanceof UnreachableError
    if (!isTold && !(error instanceof CommandError)) throw error
    throw new CommandError(
      error instanceof CommandError ? error.exit : EXITS.unavailable,
      `${error.message}. Your text is in ${path}`,
      { cause: error },
    )
  } finally {
    if (isDone) rmSync(folder, { recursive: true, force: true })
  }
}

/** What the person left in the file. Throws `CommandError`. */
async function edited(path: string, name: string, editor: string) {
  // As git does it: the setting may have arguments.
  const { status, error } = spawnSync('sh', ['-c', `${editor} "$@"`, editor, path], {
    stdio: 'inherit',
  })
  if (error || status !== 0) {
    throw new CommandError(EXITS.ill, `the editor ended with ${status ?? 'a signal'}`)
  }
  const content = mappingIn(parsed(path, readFileSync(path, 'utf8')))
  const wanted = mappingIn(mappingIn(content?.integrations)?.[name])
  if (wanted) return wanted
  throw new CommandError(EXITS.data, `integrations.${name} is missing`)
}

export async function runDelete({ operands, options, terminal, broker }: CommandInput) {
  const { yes = false } = options as { readonly yes?: boolean }
  const { client } = await broker()
  const question = `Delete ${operands.join(', ')}, with their secrets, and revoke their tokens?`
  if (!yes && !(await confirmed(terminal, question))) return EXITS.ill
  for (const name of operands) {
    await client.request('deleteIntegration', { path: { name }, ifMatch: '*' })
    terminal.print(`${name}: deleted`)
  }
  return EXITS.ok
}

const switching =
  (enabled: boolean, word: string) =>
  async ({ operands, terminal, broker }: CommandInput) => {
    const { client } = await broker()
    for (const name of operands) {
      const change = { path: { name }, body: { enabled }, ifMatch: '*' }
      await client.request('patchIntegration', change)
      terminal.print(`${name}: ${word}`)
    }
    return EXITS.ok
  }

export const runEnable = switching(true, 'enabled')
export const runDisable = switching(false, 'disabled')
