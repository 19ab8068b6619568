/** How many commands a Redis has carried out, those of scripts included. */
import { eventually } from '../test/support/eventually.ts'
import { ask } from '../test/support/redis.ts'

/** By `INFO commandstats`, without the asking itself. */
export async function commandsOf(port: number): Promise<number> {
  const text = await eventually(() => ask(port, (client) => client.info('commandstats')))
  return commandsIn(text, (name) => !['info', 'client|setinfo', 'hello'].includes(name))
}

/** `text`: what `INFO commandstats` answered. */
export function commandsIn(
  text: string,
  isCounted: (name: string) => boolean = () => true,
): number {
  return [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
    .filter(([, name = '']) => isCounted(name))
    .reduce((sum, [, , calls]) => sum + Number(calls), 0)
}
