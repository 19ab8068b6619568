/** Integrations in YAML, in the shape of the configuration file. Secrets come from files. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { ConfigError } from '../../config/config-error.ts'
import { parseYaml } from '../../config/yaml-text.ts'
import { CommandError, EXITS } from '../exits.ts'
import { fileText } from '../file-text.ts'

type Members = Readonly<Record<string, unknown>>

export interface Declared {
  readonly name: string
  /** The file and the entry, for messages. */
  readonly place: string
  readonly definition: Members
  /** Absent: what the broker holds stays. */
  readonly credential?: Members
}

interface Documents {
  readonly integrations: readonly Declared[]
  /** Sentences about what a broker does not take from a client. */
  readonly notes: readonly string[]
}

const EXTENSIONS = ['.yaml', '.yml', '.json']
const STDIN = 0
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/
/** Members of a credential that name a file. */
const FILES = [
  'private_key',
  'certificate',
  'keystore',
  'passphrase',
  'client_secret',
  'refresh_token',
]
const KNOWN = ['issuers', 'callers', 'integrations', 'prune']

/** Files and folders of them. `-` is the standard input. Throws `CommandError`. */
export function readDocuments(paths: readonly string[]): Documents {
  const read = paths.flatMap(filesOf).map(readDocument)
  const integrations = read.flatMap((one) => one.integrations)
  for (const [name, several] of Map.groupBy(integrations, (one) => one.name)) {
    if (several.length > 1) {
      const places = several.map(({ place }) => place).join(' and ')
      throw new CommandError(EXITS.data, `${name} is declared twice: ${places}`)
    }
  }
  if (integrations.length === 0) {
    throw new CommandError(EXITS.data, `${paths.join(', ')}: there is no integration`)
  }
  return { integrations: inOrder(integrations), notes: read.flatMap((one) => one.notes) }
}

function filesOf(path: string): readonly string[] {
  if (path === '-') return [path]
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) throw new CommandError(EXITS.noInput, `${path} does not exist`)
  if (!found.isDirectory()) return [path]
  return readdirSync(path)
    .filter((name) => EXTENSIONS.includes(extname(name)))
    .toSorted()
    .map((name) => join(path, name))
}

function readDocument(path: string): Documents {
  const content = parsed(path, fileText(path, path === '-' ? STDIN : path))
  const members = mappingIn(content)
  if (!members) throw new CommandError(EXITS.data, `${path}: must be a mapping`)
  if ('login_url' in members) {
    const name = path === '-' ? 'integration' : basename(path, extname(path))
    return { integrations: [declaredIn(path, name, members)], notes: [] }
  }
  const unknown = Object.keys(members).find((name) => !KNOWN.includes(name))
  if (unknown !== undefined) {
    throw new CommandError(
      EXITS.data,
      `${path}: ${unknown} is not a member of a configuration file`,
    )
  }
  const entries = Object.entries(mappingIn(members.integrations ?? {}) ?? {})
  const left = ['issuers', 'callers'].filter((name) => name in members)
  return {
    integrations: entries.map(([name, entry]) => declaredIn(path, name, entry)),
    notes: left.map(
      (name) =>
        `${path}: ${name} are not applied, because a broker reads them from its own configuration file alone (VALETKEY_CONFIG)`,
    ),
  }
}

/** No part of the text is repeated, because it may have a secret. */
export function parsed(path: string, text: string): unknown {
  try {
    return parseYaml(text).content
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause
    throw new CommandError(EXITS.data, `${path}: ${cause.mistakes.join('; ')}`, { cause })
  }
}

export const mappingIn = (value: unknown): Members | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Members)
    : undefined

function declaredIn(path: string, name: string, entry: unknown): Declared {
  const place = `${path}: ${name}`
  const members = mappingIn(entry)
  if (!NAME.test(name) || !members) {
    throw new CommandError(
      EXITS.data,
      `${place}: must be a name of 1 to 64 lower-case letters, digits and hyphens, with members`,
    )
  }
  const { credential, ...definition } = members
  if (credential === undefined) return { name, place, definition }
  return { name, place, definition, credential: credentialOf(place, credential) }
}

function credentialOf(place: string, given: unknown): Members {
  const members = mappingIn(given)
  if (!members) throw new CommandError(EXITS.data, `${place}: credential must have members`)
  const entries = Object.entries(members).map(([name, value]): [string, unknown] => {
    if (FILES.includes(name)) {
      throw new CommandError(
        EXITS.data,
        `${place}: credential.${name} belongs in a file: use ${name}_file`,
      )
    }
    const kept = FILES.find((one) => name === `${one}_file`)
    return kept === undefined ? [name, value] : [kept, contentOf(place, kept, value)]
  })
  return Object.fromEntries(entries)
}

function contentOf(place: string, member: string, path: unknown): string {
  if (typeof path !== 'string') {
    throw new CommandError(EXITS.data, `${place}: credential.${member}_file must be a path`)
  }
  try {
    const bytes = readFileSync(path)
    return member === 'keystore' ? bytes.toString('base64') : bytes.toString('utf8').trim()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new CommandError(EXITS.noInput, `${place}: ${path} cannot be read (${code})`, { cause })
  }
}

/** An integration stands behind those that it needs: whose credential or token it uses. */
function inOrder(all: readonly Declared[]): readonly Declared[] {
  const byName = new Map(all.map((one) => [one.name, one]))
  const done = new Set<Declared>()
  const visit = (one: Declared, above: readonly Declared[]) => {
    if (done.has(one) || above.includes(one)) return
    for (const name of namesIn({ ...one.definition, credential: one.credential })) {
      const needed = byName.get(name)
      if (needed) visit(needed, [...above, one])
    }
    done.add(one)
  }
  for (const one of all) visit(one, [])
  return [...done]
}

const NEEDED = ['from', 'through', 'integration', 'source']

function namesIn(value: unknown): readonly string[] {
  return Object.entries(mappingIn(value) ?? {}).flatMap(([member, inner]) =>
    typeof inner === 'string' && NEEDED.includes(member) ? [inner] : namesIn(inner),
  )
}
