/** Every engine of the store, for the contract suites. An engine that is added here must pass all of them. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { createKeys } from '../../src/store/keys.ts'
import { createRedisStore } from '../../src/store/redis/redis-store.ts'
import type { RedisEvent } from '../../src/store/redis-connection/connection.ts'
import type { MacPlace } from '../../src/store/seals.ts'
import type { IntegrationContent, Store } from '../../src/store/store.ts'
import { startRedis } from './redis.ts'

export interface OpenStore {
  /** Empty. */
  readonly store: Store
  /** Another connection to the same data, where the engine has such. */
  readonly peer: Store
  /** Until the store's clock has gone on so far. */
  pass(ms: number): Promise<void>
  readonly engine: 'redis' | 'embedded'
  /** Puts what is no record in the place of one: a `field` that makes no sense, or a value of another `type`. Absent where the engine holds records alone, and where no plain client gets past the store. */
  spoil?(place: MacPlace, id: string, how: 'field' | 'type'): Promise<void>
}

/** `open` gives a store that is closed at the end of the test that it is given, or of the suite. */
export type StoreSuite = (t: Test, open: (test?: Test) => Promise<OpenStore>) => Promise<void>

/** Runs a suite once for each engine. */
export function eachEngine(suite: StoreSuite) {
  t.test('redis', async (t) => {
    const server = await startRedis()
    t.teardown(() => server.stop())
    await suite(t, (test = t) => openRedis(test, server))
  })
  t.test('embedded', async (t) => suite(t, (test = t) => openEmbedded(test)))
}

export interface RedisPlace {
  readonly url: string
  readonly caFile?: string
  readonly waitReplicas?: number
}

export async function openRedis(
  t: Test,
  { url, caFile, waitReplicas }: RedisPlace,
): Promise<OpenStore> {
  // A prefix of its own is an empty store.
  const prefix = `vk:${randomUUID()}:`
  const options = {
    connection: { url: new Secret(url), ...(caFile !== undefined && { caFile }) },
    ...(waitReplicas !== undefined && { waitReplicas }),
    prefix,
    timeoutMs: 10_000,
    onEvent(event: RedisEvent) {
      if (event.type === 'error') t.comment(`${event.connection}: ${event.error.code}`)
    },
  }
  const store = await createRedisStore(options)
  const peer = await createRedisStore(options)
  t.teardown(() => Promise.all([store.close(), peer.close()]))
  return {
    store,
    peer,
    engine: 'redis',
    // Past the store, which only a server by itself lets a plain client do.
    ...(url.startsWith('redis://') && { spoil: spoiler(url, prefix) }),
    async pass(ms) {
      const end = (await store.now()) + ms
      await eventually(async () => (await store.now()) >= end)
    },
  }
}

function spoiler(url: string, prefix: string): NonNullable<OpenStore['spoil']> {
  const keys = createKeys(prefix)
  return async (of, id, how) => {
    const key = of === 'integrations' ? keys.integration(id) : keys.document(of.kind, id)
    const client = new Redis(url, { protocol: 2 })
    if (how === 'field') await client.hset(key, 'version', 'many')
    else await client.set(key, 'text')
    client.disconnect()
  }
}

export async function openEmbedded(t: Test): Promise<OpenStore> {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-store-'))
  let ahead = 0
  const store = createEmbeddedStore({ dataDir, now: () => Date.now() + ahead })
  t.teardown(async () => {
    await store.close()
    await rm(dataDir, { recursive: true })
  })
  return {
    store,
    peer: store,
    engine: 'embedded',
    async pass(ms) {
      ahead += ms
    },
  }
}

/** Waits for a condition, with a deadline. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 30_000,
): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('The condition was not met in time')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export function content(parts: Partial<IntegrationContent> = {}): IntegrationContent {
  return { digests: ['d1'], definition: '{"a":1}', secrets: 'sealed', ...parts }
}

export function lease(parts: { tokenId: string; expiresAt: number; digest?: string }) {
  return { body: `body of ${parts.tokenId}`, digest: 'd1', ...parts }
}
