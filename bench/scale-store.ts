/** Stores that hold many integrations: a few are real, the others copies of one of them, put there by the engine itself. A copy's secrets are of another record, which nobody notices before it mints. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Redis } from 'ioredis'
import type { Macs } from '../src/crypto/macs.ts'
import { macOf, ofIntegration } from '../src/store/integrity/record-mac.ts'
import { createKeys } from '../src/store/keys.ts'
import { ask, startRedis } from '../test/support/redis.ts'
import type { BrokerOptions, Setting, Teardown } from './setting.ts'

export interface ScaleStore {
  /** For a broker on it. */
  readonly options: BrokerOptions
  /** Adds copies of this integration until there are so many in all, each with a lease that is due in an hour. While no broker has it open. */
  fill(original: string, from: number, to: number): Promise<void>
  /** CPU time of the engine's own process so far; 0 where it has none. */
  engineCpuUs(): Promise<number>
}

export type Engine = 'redis' | 'embedded'

export const ENGINES: readonly Engine[] = ['redis', 'embedded']
export const COPY_PREFIX = 'copy-'
const DUE_MS = 3_600_000

/** One of this engine; each call of what it gives is another, empty store. */
export async function startEngine(
  t: Teardown,
  engine: Engine,
  setting: Setting,
): Promise<(name: string) => ScaleStore> {
  const { macs } = setting.keyring
  if (engine === 'embedded') return (name) => embeddedStore(join(setting.folder, name), macs)
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  return (name) => redisStore(redis, `${name}:`, macs)
}

/** Batches, so that no script takes too long. */
const BATCH = 1_000

const COPY = `
local fields = redis.call('HGETALL', KEYS[1])
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local name = string.format('${COPY_PREFIX}%06d', i)
  local key = ARGV[3] .. name
  redis.call('HSET', key, unpack(fields))
  redis.call('HSET', key, 'uid', name, 'mac', ARGV[5 + i - tonumber(ARGV[1])])
  redis.call('ZADD', KEYS[2], 0, name)
  redis.call('ZADD', KEYS[3], ARGV[4], name)
end`

/** What proves a copy: nobody reads a record without it. */
function codeOf(macs: Macs, original: Readonly<Record<string, unknown>>, at: number): string {
  const name = `${COPY_PREFIX}${String(at).padStart(6, '0')}`
  const record = ofIntegration({
    ...{ name, uid: name, version: Number(original.version) },
    digests: JSON.parse(String(original.digests)) as string[],
    definition: String(original.definition),
  })
  return macOf(macs, 'b', record)
}

function redisStore(
  { url, port }: { url: string; port: number },
  prefix: string,
  macs: Macs,
): ScaleStore {
  const keys = createKeys(prefix)
  return {
    options: { redisUrl: url, env: { VALETKEY_REDIS_PREFIX: prefix } },
    async fill(original, from, to) {
      const base = keys.integration(original).slice(0, -original.length)
      const held = [keys.integration(original), keys.integrations, keys.due]
      const client = new Redis(url)
      const record = await client.hgetall(keys.integration(original))
      for (let first = from; first < to; first += BATCH) {
        const last = Math.min(to, first + BATCH) - 1
        const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i)
        const codes = numbers.map((at) => codeOf(macs, record, at))
        const due = Date.now() + DUE_MS
        await client.eval(COPY, held.length, ...held, first, last, base, due, ...codes)
      }
      // Its fields for the index are those of a store that an older release wrote.
      await client.hdel(keys.meta, 'listing_seq')
      await client.quit()
    },
    async engineCpuUs() {
      const info = (await ask(port, (client) => client.info('cpu'))) ?? ''
      return [...info.matchAll(/^used_cpu_(?:user|sys):([\d.]+)/gm)].reduce(
        (sum, [, seconds]) => sum + Number(seconds) * 1e6,
        0,
      )
    },
  }
}

function embeddedStore(dataDir: string, macs: Macs): ScaleStore {
  return {
    options: { env: { VALETKEY_DATA_DIR: dataDir } },
    async fill(original, from, to) {
      if (from >= to) return
      const database = new DatabaseSync(join(dataDir, 'valetkey.db'))
      const copies = `WITH RECURSIVE copies(name, i) AS (
        SELECT printf('${COPY_PREFIX}%06d', ?1), ?1
        UNION ALL SELECT printf('${COPY_PREFIX}%06d', i + 1), i + 1 FROM copies WHERE i + 1 < ?2
      )`
      database.exec('BEGIN')
      database
        .prepare(
          `${copies} INSERT INTO integrations
           SELECT copies.name, copies.name, version, rev, orev, digests, definition, secrets
           FROM copies, integrations original WHERE original.name = ?3`,
        )
        .run(from, to, original)
      database
        .prepare(`${copies} INSERT INTO due SELECT name, ?3 FROM copies`)
        .run(from, to, Date.now() + DUE_MS)
      const record = database.prepare('SELECT * FROM integrations WHERE name = ?').get(original)
      const put = database.prepare('INSERT INTO integration_macs VALUES (?, ?)')
      for (let at = from; at < to; at += 1) {
        put.run(`${COPY_PREFIX}${String(at).padStart(6, '0')}`, codeOf(macs, record ?? {}, at))
      }
      database.exec('COMMIT')
      database.close()
    },
    engineCpuUs: async () => 0,
  }
}
