/** The user of Redis whose rights `docs/redis.md` gives. */
import { randomBytes } from 'node:crypto'
import { readDocument } from './document.ts'
import { ask, type RedisServer } from './redis.ts'

const RULE = /^ACL SETUSER (\S+) (.*)$/gm
/** Redis Cluster's own commands are of no use elsewhere. */
const CLUSTER_ONLY = /^\+(cluster\||readonly|asking)/

export interface DocumentedUser {
  /** For a URL: `user:password@`. */
  readonly userinfo: string
  /** `+get`, … as commands are called in `INFO commandstats`. */
  readonly commands: readonly string[]
  readonly clusterCommands: readonly string[]
  /** Makes it on this server, and takes all rights from whoever names no user. */
  createOn(server: RedisServer): Promise<void>
}

export function documentedUser(): DocumentedUser {
  const password = randomBytes(16).toString('hex')
  const rules = [...readDocument('docs/redis.md').text.matchAll(RULE)]
  const [name = ''] = new Set(rules.map(([, user]) => user))
  const rights = rules.flatMap(([, , rest = '']) => rest.split(' '))
  const granted = rights.filter((right) => right.startsWith('+'))
  const called = (rights: readonly string[]) => rights.map((right) => right.slice(1))
  return {
    userinfo: `${name}:${password}@`,
    commands: called(granted.filter((right) => !CLUSTER_ONLY.test(right))),
    clusterCommands: called(granted.filter((right) => CLUSTER_ONLY.test(right))),
    async createOn({ port }) {
      const reply = await ask(port, (client) =>
        client.call(
          'ACL',
          'SETUSER',
          name,
          ...rights.map((right) => right.replace('>PASSWORD', `>${password}`)),
        ),
      )
      if (reply !== 'OK') throw new Error('Redis takes the documented user not')
    },
  }
}

/** What the user was refused on these servers. */
export async function refusalsOf(servers: readonly RedisServer[]): Promise<readonly string[]> {
  const logs = await Promise.all(
    servers.map(({ port }) => ask(port, (client) => client.call('ACL', 'LOG'))),
  )
  return logs.flatMap((log) =>
    Array.isArray(log) ? log.map((entry) => JSON.stringify(entry)) : [],
  )
}

/** Commands that a server has executed since it started or was asked to forget. */
export async function commandsOf({ port }: RedisServer): Promise<ReadonlySet<string>> {
  const info = await ask(port, (client) => client.info('commandstats'))
  return new Set([...(info ?? '').matchAll(/cmdstat_([^:]+)/g)].map(([, name = '']) => name))
}
