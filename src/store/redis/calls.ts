/** Runs commands and scripts through ioredis. */
import type { Cluster, Redis } from 'ioredis'

/** A Lua script and its name in errors. */
export interface Script {
  readonly name: string
  readonly lua: string
}

export type Argument = string | number

/** Names of the defined scripts, by client. */
const defined = new WeakMap<object, Set<string>>()

function defineScript(client: Redis | Cluster, script: Script): void {
  const names = defined.get(client) ?? new Set()
  defined.set(client, names)
  if (names.has(script.name)) return
  names.add(script.name)
  client.defineCommand(script.name, { lua: script.lua })
}

export function runScript(
  client: Redis | Cluster,
  script: Script,
  keys: readonly string[],
  args: readonly Argument[],
): Promise<unknown> {
  defineScript(client, script)
  return custom(client, script)(keys.length, ...keys, ...args)
}

/** ioredis adds a method for each defined script, which its types do not contain. */
function custom(
  client: Redis | Cluster,
  script: Script,
): (...args: Argument[]) => Promise<unknown> {
  const method: unknown = Reflect.get(client, script.name)
  if (typeof method !== 'function') throw new TypeError(`The script ${script.name} is not defined`)
  return (...args) => Reflect.apply(method, client, args)
}
