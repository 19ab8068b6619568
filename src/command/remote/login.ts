/** `valetkey login` and `logout`: the contexts of a person. */
import { readSecret } from '../ask.ts'
import { brokerAt } from '../broker.ts'
import { contextsPath, readContexts, writeContexts } from '../contexts.ts'
import { CommandError, EXITS } from '../exits.ts'
import type { CommandInput, Variables } from '../spec.ts'
import type { Terminal } from '../terminal.ts'

const NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/
const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/

export async function runLogin({ operands, options, env, terminal }: CommandInput) {
  const { url: given } = options as { readonly url?: string }
  const [name = 'default'] = operands
  if (!NAME.test(name)) {
    throw new CommandError(
      EXITS.usage,
      'a context has a name of lower-case letters, digits, dots and hyphens',
    )
  }
  const { contexts } = readContexts(env)
  const isKnown = Object.hasOwn(contexts, name)
  const url = given ?? (isKnown ? undefined : env.VALETKEY_URL || undefined)
  if (url === undefined) {
    if (!isKnown) {
      throw new CommandError(EXITS.usage, `name the broker: valetkey login ${name} --url URL`)
    }
    writeContexts(env, { contexts, current: name })
    terminal.note(`commands use the context ${name}`)
    noteVariables(env, terminal)
    return EXITS.ok
  }
  brokerAt(url, 'unknown')
  const { protocol, hostname } = new URL(url)
  if (protocol === 'http:' && !LOOPBACK.test(hostname)) {
    terminal.note('the key and all tokens go over the network in the clear: use https')
  }
  const key = await readSecret(terminal, `API key for ${url}: `)
  const { client } = brokerAt(url, key)
  const { body } = await client.request('whoAmI', {})
  writeContexts(env, { contexts: { ...contexts, [name]: { url, key } }, current: name })
  terminal.note(`signed in as ${body.principal}; the key is in ${contextsPath(env)}`)
  noteVariables(env, terminal)
  return EXITS.ok
}

/** A variable comes before the context that is current. */
function noteVariables({ VALETKEY_URL, VALETKEY_CONTEXT }: Variables, terminal: Terminal): void {
  const set = VALETKEY_CONTEXT ? 'VALETKEY_CONTEXT' : VALETKEY_URL ? 'VALETKEY_URL' : undefined
  if (set) terminal.note(`${set} is set, and commands use it instead of this context`)
}

export async function runLogout({ operands, env, terminal }: CommandInput) {
  const { current, contexts } = readContexts(env)
  const name = operands[0] ?? current
  if (name === undefined || !Object.hasOwn(contexts, name)) {
    throw new CommandError(EXITS.ill, 'there is no such context')
  }
  const { [name]: _, ...kept } = contexts
  writeContexts(env, { contexts: kept, current: current === name ? undefined : current })
  terminal.note(`the context ${name} is deleted; its key stays valid until it is revoked`)
  return EXITS.ok
}
