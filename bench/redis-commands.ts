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

/**
 * What clients sent to it at once, by `INFO stats` of Redis 6.2 and later: it reads the commands of one
 * pipeline together, and they are one round trip. What a script calls has none of its own.
 */
export function roundTripsIn(text: string): number {
  const [, reads] = /^total_reads_processed:(\d+)/m.exec(text) ?? []
  if (reads === undefined) throw new Error('This Redis does not count what it reads')
  return Number(reads)
}
