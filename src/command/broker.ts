/** Which broker a command calls, and with which key: options first, then variables, then the context. */
import { readFileSync } from 'node:fs'
import { createClient } from '../client/client.ts'
import { ConfigError } from '../config/config-error.ts'
import type { Options, RemoteBroker, Variables } from './spec.ts'

/** A key of a context goes to the URL of that context alone. Throws `ConfigError`. */
export async function brokerOf(options: Options, env: Variables): Promise<RemoteBroker> {
  const {
    url: given,
    keyFile,
    context,
  } = options as {
    readonly url?: string
    readonly keyFile?: string
    readonly context?: string
  }
  if (given !== undefined && context !== undefined) {
    throw new ConfigError(['--context: has a URL of its own; leave out either it or --url'])
  }
  const key = keyFile === undefined ? undefined : keyInFile('--key-file', keyFile)
  const asked = context ?? (given === undefined ? env.VALETKEY_CONTEXT || undefined : undefined)
  const url = given ?? (asked === undefined ? env.VALETKEY_URL || undefined : undefined)
  if (url === undefined) return ofContext(asked, key, env)
  return brokerAt(url, key ?? keyIn(env), given === undefined ? NAMES : { ...NAMES, url: '--url' })
}

/** Where the URL and the key are from, for messages. */
const NAMES = { url: 'VALETKEY_URL', key: 'VALETKEY_KEY' } as const

/** Throws `ConfigError` for each that is missing or wrong. */
export function brokerAt(
  url: string,
  key: string | undefined,
  names: { readonly url: string; readonly key: string } = NAMES,
): RemoteBroker {
  const { username, password } = URL.parse(url) ?? {}
  const isUrl = /^https?:\/\//.test(url) && username === '' && password === ''
  const mistakes = [
    ...(isUrl
      ? []
      : [`${names.url}: must be the URL of the broker, as in https://valetkey.internal`]),
    ...(key === undefined || !/^[!-~]+$/.test(key)
      ? [`${names.key}: must be the API key of the caller; or name its file with --key-file`]
      : []),
  ]
  if (mistakes.length > 0 || key === undefined) throw new ConfigError(mistakes)
  return { client: createClient({ url, key }), url: url.replace(/\/+$/, '') }
}

async function ofContext(
  asked: string | undefined,
  key: string | undefined,
  env: Variables,
): Promise<RemoteBroker> {
  // It reads YAML, which other ways do not need.
  const { contextsPath, readContexts } = await import('./contexts.ts')
  const { current, contexts } = readContexts(env)
  const name = asked ?? current
  if (name === undefined) {
    throw new ConfigError([
      'VALETKEY_URL: must be the URL of the broker; or sign in with valetkey login',
      ...((key ?? keyIn(env)) === undefined
        ? ['VALETKEY_KEY: must be the API key of the caller']
        : []),
    ])
  }
  const context = Object.hasOwn(contexts, name) ? contexts[name] : undefined
  if (context) {
    const place = `${contextsPath(env)}: contexts.${name}`
    const names = { url: `${place}.url`, key: key === undefined ? `${place}.key` : NAMES.key }
    return brokerAt(context.url, key ?? context.key, names)
  }
  throw new ConfigError([`${name}: is no context: sign in with valetkey login ${name} --url URL`])
}

function keyIn({ VALETKEY_KEY: key, VALETKEY_KEY_FILE: file }: Variables): string | undefined {
  if (key && file) throw new ConfigError(['VALETKEY_KEY: set either it or VALETKEY_KEY_FILE'])
  return key || (file ? keyInFile('VALETKEY_KEY_FILE', file) : undefined)
}

function keyInFile(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new ConfigError([`${name}: ${path} cannot be read (${code})`], { cause })
  }
}
