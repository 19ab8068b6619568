/** `valetkey login` and `logout`: the contexts of a person. */
import { readSecret } from '../ask.ts'
import { brokerAt } from '../broker.ts'
import { contextsPath, readContexts, writeContexts } from '../contexts.ts'
import { CommandError, EXITS } from '../exits.ts'
import type { CommandInput } from '../spec.ts'

const NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/
const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/

export async function runLogin({ operands, options, env, terminal }: CommandInput) {
  const { url = env.VALETKEY_URL || undefined } = options as { readonly url?: string }
  const [name = 'default'] = operands
  if (!NAME.test(name)) {
    throw new CommandError(
      EXITS.usage,
      'a context has a name of lower-case letters, digits, dots and hyphens',
    )
  }
  const { contexts } = readContexts(env)
  if (url === undefined) {
    if (!Object.hasOwn(contexts, name)) {
      throw new CommandError(EXITS.usage, `name the broker: valetkey login ${name} --url URL`)
    }
    writeContexts(env, { contexts, current: name })
    terminal.note(`commands use the context ${name}`)
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
  return EXITS.ok
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
