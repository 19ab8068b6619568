import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { createRedisStore } from '../../src/store/redis/redis-store.ts'
import type { Store } from '../../src/store/store.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/store-engines.ts'

/** Enough that the kill falls into the midst of writing. */
const ACKNOWLEDGED = 100

/** Writes for ever, and says of each write that it was acknowledged, after it was. */
const WRITER = `
async function writeForEver(store) {
  for (let i = 0; ; i++) {
    const name = 'n' + i
    await store.integrations.create(name, 'u', { digests: ['d'], definition: 'first', secrets: 's' + i })
    await store.integrations.change(name, { uid: 'u', version: 1 },
      { digests: ['d'], definition: 'second', secrets: 't' + i })
    const lease = { body: 'b' + i, digest: 'd', tokenId: 'T' + i, expiresAt: Date.now() + 3_600_000 }
    await store.outcomes.save(name, { uid: 'u', orev: 0 }, { lease })
    await store.documents.write('k', name, 'x' + i, { expected: 'absent' })
    process.stdout.write(i + '\\n')
  }
}`

async function writer(script: string, ...args: string[]) {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--eval', `${WRITER}\n${script}`, ...args],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  let last = -1
  const lines = createInterface(child.stdout)
  lines.on('line', (line) => {
    last = Number(line)
  })
  const closed = Promise.all([once(child, 'close'), once(lines, 'close')])
  await eventually(() => last >= ACKNOWLEDGED || child.exitCode !== null)
  return {
    child,
    /** The last one that it called acknowledged, when it is dead and all that it said is read. */
    async acknowledged() {
      await closed
      return last
    },
  }
}

/** How many of the acknowledged writes are not there as they were. */
async function lost(store: Store, acknowledged: number): Promise<number> {
  let missing = 0
  for (let i = 0; i <= acknowledged; i++) {
    const name = `n${i}`
    const [sealed, look, document] = await Promise.all([
      store.integrations.readSealed(name),
      store.outcomes.look(name),
      store.documents.read('k', name),
    ])
    const whole =
      sealed?.version === 2 &&
      sealed.definition === 'second' &&
      sealed.secrets === `t${i}` &&
      sealed.orev === 1 &&
      look?.outcome.lease?.body === `b${i}` &&
      document?.body === `x${i}`
    if (!whole) missing += 1
  }
  return missing
}

t.test('the embedded store keeps what it acknowledged when its process is killed', async (t) => {
  const dataDir = t.testdir()
  for (let round = 0; round < 2; round++) {
    const dir = `${dataDir}/${round}`
    const { child, acknowledged } = await writer(
      `const { createEmbeddedStore } = await import(${JSON.stringify(import.meta.resolve('../../src/store/embedded/embedded-store.ts'))})
       await writeForEver(createEmbeddedStore({ dataDir: process.argv[1] }))`,
      dir,
    )
    child.kill('SIGKILL')
    const last = await acknowledged()
    t.ok(last >= ACKNOWLEDGED)
    const store = createEmbeddedStore({ dataDir: dir })
    t.equal(await lost(store, last), 0)
    t.ok((await store.identity()).seq >= 4 * (last + 1))
    await store.close()
  }
})

t.test('Redis that syncs always keeps what it acknowledged when it is killed', async (t) => {
  const redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  t.teardown(() => redis.stop())
  const { acknowledged } = await writer(
    `const { createRedisStore } = await import(${JSON.stringify(import.meta.resolve('../../src/store/redis/redis-store.ts'))})
     const { Secret } = await import(${JSON.stringify(import.meta.resolve('../../src/crypto/secret.ts'))})
     const url = new Secret(process.argv[1])
     const store = await createRedisStore({ connection: { url }, timeoutMs: 10_000, onEvent: () => undefined })
     await writeForEver(store).catch(() => process.exit(3))`,
    redis.url,
  )
  await redis.kill('SIGKILL')
  // The writer ends by itself: a write was not acknowledged.
  const last = await acknowledged()
  t.ok(last >= ACKNOWLEDGED)
  await redis.restart()
  const store = await createRedisStore({
    connection: { url: new Secret(redis.url) },
    timeoutMs: 10_000,
    onEvent: () => undefined,
  })
  t.teardown(() => store.close())
  await eventually(() => store.now().then(Boolean, () => false))
  t.equal(await lost(store, last), 0)
})
