/** How commands and scripts go through ioredis. */
import type { Cluster, Redis } from 'ioredis'

/** A Lua script with the name that it has in errors. */
export interface Script {
  readonly name: string
  readonly lua: string
}

export type Argument = string | number

/** By client: the names of the scripts that it knows. */
const defined = new WeakMap<object, Set<string>>()

export function defineScript(client: Redis | Cluster, script: Script): void {
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

/** In order on one socket, so that what follows a script sees its effects. */
export async function pipelined(
  client: Redis | Cluster,
  commands: Argument[][],
): Promise<readonly unknown[]> {
  const results = await client.pipeline(commands).exec()
  return (results ?? []).map(([error, result]) => {
    if (error !== null) throw error
    return result
  })
}

/** ioredis adds a method for each defined script, which its types cannot know. */
function custom(
  client: Redis | Cluster,
  script: Script,
): (...args: Argument[]) => Promise<unknown> {
  const method: unknown = Reflect.get(client, script.name)
  if (typeof method !== 'function') throw new TypeError(`The script ${script.name} is not defined`)
  return (...args) => Reflect.apply(method, client, args)
}
