/** `valetkey keys create`, `list` and `revoke`: the API keys of callers. */
import { rmSync, writeFileSync } from 'node:fs'
import type { NewAPIKey } from '../../client/api/callers.ts'
import type { RequestOf } from '../../client/client.ts'
import { CommandError, EXITS } from '../exits.ts'
import type { CommandInput } from '../spec.ts'
import { tableLines } from '../table-text.ts'
import { pagesOf } from './pages.ts'

const FILE_MODE = 0o600
const NAME_WIDTH = 32
const HEAD = ['NAME', 'ID', 'EXPIRES', 'PERMISSIONS', 'INTEGRATIONS']

interface KeyRequest {
  readonly permission: readonly string[]
  readonly integration: readonly string[]
  readonly label?: readonly string[]
  readonly network?: readonly string[]
  readonly request?: readonly string[]
  /** Milliseconds. */
  readonly expires?: number
  readonly out?: string
  readonly json?: boolean
}

type Body = RequestOf<'createApiKey'>['body']

export async function runKeysCreate({ operands, options, terminal, broker }: CommandInput) {
  const given = options as unknown as KeyRequest
  const { permission, integration, label = [], network, request, expires, out, json } = given
  const [name = ''] = operands
  const body = {
    name,
    permissions: permission,
    integrations: integration,
    ...(label.length > 0 && { labels: Object.fromEntries(label.map(labelIn)) }),
    ...(network && { networks: network }),
    ...(request && { requests: request }),
    ...(expires !== undefined && { expires_at: new Date(Date.now() + expires).toISOString() }),
  } as Body
  const file = out === undefined ? undefined : reserved(out)
  const { body: made } = await (await broker()).client
    .request('createApiKey', { body })
    .catch((error: unknown) => {
      if (file !== undefined) rmSync(file)
      throw error
    })
  if (json) terminal.print(JSON.stringify(made))
  else if (file === undefined) terminal.print(made.key)
  if (file !== undefined) keep(file, made)
  terminal.note(
    `the key ${made.id} of ${name} ends at ${made.expires_at}; it is shown only now${out === undefined ? '' : `, and is in ${out}`}`,
  )
  return EXITS.ok
}

/** Made before the key, so that none is lost. */
function reserved(path: string): string {
  try {
    writeFileSync(path, '', { mode: FILE_MODE, flag: 'wx' })
    return path
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new CommandError(EXITS.cannotCreate, `${path} cannot be created (${code})`, { cause })
  }
}

function keep(path: string, { id, key }: NewAPIKey): void {
  try {
    writeFileSync(path, `${key}\n`)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const remedy = `the key ${id} is lost: revoke it with valetkey keys revoke ${id}, and make another one`
    throw new CommandError(EXITS.io, `${path} cannot be written (${code}); ${remedy}`, { cause })
  }
}

export function labelIn(text: string): readonly [string, string] {
  const at = text.indexOf(':')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new CommandError(EXITS.usage, `${text} is no label: write key:value`)
}

export async function runKeysList({ options, terminal, broker }: CommandInput) {
  const { json = false } = options as { readonly json?: boolean }
  const { client } = await broker()
  const pages = await pagesOf((query) => client.request('listApiKeys', { query }))
  for (const id of pages.flatMap(({ corrupt = [] }) => corrupt)) {
    terminal.note(`the key ${id} does not verify and opens nothing: revoke it`)
  }
  const keys = pages.flatMap(({ items }) => items)
  if (json) terminal.print(JSON.stringify(keys))
  else {
    const rows = keys.map(({ name, id, expires_at, permissions, integrations }) =>
      [name, id, expires_at.slice(0, 10), permissions.join(','), integrations.join(',')].map(
        (text) => ({ text }),
      ),
    )
    for (const line of tableLines(terminal, HEAD, rows, NAME_WIDTH)) terminal.print(line)
  }
  return EXITS.ok
}

export async function runKeysRevoke({ operands, options, terminal, broker }: CommandInput) {
  const { withChildren = false } = options as { readonly withChildren?: boolean }
  const { client } = await broker()
  for (const id of operands) {
    const query = withChildren ? ({ with: 'children' } as const) : {}
    await client.request('deleteApiKey', { path: { id }, query })
    terminal.print(`${id}: revoked`)
  }
  return EXITS.ok
}
