/** The brokers that a person has signed in to, in `~/.config/valetkey/config.yaml` with mode 0600. */
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { parse, stringify } from 'yaml'
import { ConfigError } from '../config/config-error.ts'
import type { Variables } from './spec.ts'

interface Context {
  readonly url: string
  readonly key: string
}

interface Contexts {
  /** Name of the context that commands use. */
  readonly current: string | undefined
  readonly contexts: Readonly<Record<string, Context>>
}

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
const OTHERS = 0o077

export function contextsPath({ XDG_CONFIG_HOME, HOME }: Variables): string {
  return join(XDG_CONFIG_HOME || join(HOME || homedir(), '.config'), 'valetkey', 'config.yaml')
}

/** Without a file: no contexts. Throws `ConfigError` if the file is not valid, or if others may read it. */
export function readContexts(env: Variables): Contexts {
  const path = contextsPath(env)
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) return { current: undefined, contexts: {} }
  if (process.platform !== 'win32' && (found.mode & OTHERS) !== 0) {
    throw new ConfigError([`${path}: others may read its keys: chmod 600 it, and replace the keys`])
  }
  const content = Object(parsed(path)) as { current?: unknown; contexts?: unknown }
  const contexts = Object.entries(Object(content.contexts) as object).map(
    ([name, one]): [string, Context] => {
      const { url, key } = Object(one) as { url?: unknown; key?: unknown }
      if (typeof url === 'string' && typeof key === 'string') return [name, { url, key }]
      throw new ConfigError([`${path}: the context ${name} needs url and key`])
    },
  )
  return {
    current: typeof content.current === 'string' ? content.current : undefined,
    contexts: Object.fromEntries(contexts),
  }
}

function parsed(path: string): unknown {
  try {
    // A warning would show the line, which may have a key.
    return parse(readFileSync(path, 'utf8'), { logLevel: 'error' })
  } catch (cause) {
    throw new ConfigError([`${path}: cannot be read as YAML`], { cause })
  }
}

/** Replaces the file by a new one. */
export function writeContexts(env: Variables, contexts: Contexts): void {
  const path = contextsPath(env)
  const draft = `${path}.${process.pid}`
  mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE })
  try {
    writeFileSync(draft, stringify(contexts), { mode: FILE_MODE, flag: 'wx' })
    chmodSync(draft, FILE_MODE)
    renameSync(draft, path)
  } catch (cause) {
    rmSync(draft, { force: true })
    const { code } = cause as NodeJS.ErrnoException
    throw new ConfigError([`${path}: cannot be written (${code})`], { cause })
  }
}
