import t, { type Test } from 'tap'
import type { Settings } from '../../simulator/settings.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { listingAtRest } from '../support/listing.ts'
import { startRedis } from '../support/redis.ts'
import { monitorLines } from '../support/redis-monitor.ts'

/** The indexer of the list looks at what changed, whenever that is, and reads it. */
const INDEXER = 'indexer'

/** Names the command of a line of MONITOR by its first key. Undefined: a script runs it, or it is about something else. */
function toldOf(line: string, name: string): string | undefined {
  const [, source, command = ''] = /^\S+ \[\d+ (\S+)\] "(\w+)"/.exec(line) ?? []
  if (source !== 'lua' && line.includes('"vk:{vk}:listing:') && !line.includes(`:${name}"`)) {
    return INDEXER
  }
  const [, key] = new RegExp(`"vk:{vk}:([a-z]+(?::[a-z]+)?):${name}"`).exec(line) ?? []
  const isCharge = line.includes('"vk:{vk}:b:')
  if (source === 'lua' || (key === undefined && !isCharge)) return undefined
  return `${command.toLowerCase()} ${key ?? 'b'}`
}

/** The same, and of a script of the integration which one it is: a reader asks with another one than a writer. */
function scriptOf(line: string, name: string): string | undefined {
  const told = toldOf(line, name)
  return told === 'evalsha i' ? /"evalsha" "(\w+)"/i.exec(line)?.[1] : told
}

/** Of a broker that has minted before, so that Redis knows its scripts. */
async function world(t: Test, options: Partial<Settings>) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  simulator.configure(options)
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const loginUrl = simulator.origins.myDomain
  const broker = await startBroker(t, { loginHosts: [loginUrl], redisUrl: redis.url })
  const read = (name: string) => broker.call('GET', `/tokens/${name}`)
  /** Gives what Redis was told of the integration since its first read. */
  const firstRead = async (name: string) => {
    const app = simulator.addClientCredentialsApp({ name })
    const body = {
      login_url: loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    }
    t.equal((await broker.call('PUT', `/integrations/${name}`, { body })).status, 201)
    await listingAtRest(redis.port)
    const lines = await monitorLines(t, redis.port)
    t.equal((await read(name)).status, 200)
    return async (tell = toldOf) => (await lines()).flatMap((line) => tell(line, name) ?? [])
  }
  const learned = (name: string) =>
    eventually(async () => (await read(name)).body.expiry_source === 'introspection')
  return { firstRead, learned, simulator, broker, redis }
}

const ATTEMPTS = 20

/** Tries again with another integration where the indexer was at work meanwhile. */
async function undisturbed(attempt: (name: string) => Promise<readonly string[]>) {
  for (let count = 1; count <= ATTEMPTS; count += 1) {
    const told = await attempt(`billing-${count}`)
    if (!told.includes(INDEXER)) return [...told]
  }
  throw new Error('the indexer is never at rest')
}

/** Of the lock; taking it, and a login with it, is another. */
const RELEASE = 'evalsha k'

t.test('a first read asks Redis three times before it answers', async (t) => {
  const { firstRead } = await world(t, { expiresIn: 3_600 })
  await firstRead('warm')
  const all = await undisturbed(async (name) => {
    const told = await firstRead(name)
    return eventually(async () => {
      const so = await told()
      return so.filter((command) => command === RELEASE).length > 1 ? so : undefined
    })
  })
  const [, ...later] = all.splice(all.lastIndexOf(RELEASE))
  t.same(all, [
    ...['evalsha i'],
    ...['evalsha k', 'hmget d:identity', 'hmget i', 'hmget d:subject'],
    ...['evalsha i'],
  ])
  t.notOk(
    later.some((command) => /identity|subject/.test(command)),
    'pin and subject are in the save, and not read again',
  )
})

t.test('a mint after a revocation reads the outcome once, too', async (t) => {
  const { firstRead, broker, redis } = await world(t, { expiresIn: 3_600 })
  const all = await undisturbed(async (name) => {
    await firstRead(name)
    t.equal((await broker.call('DELETE', `/tokens/${name}`)).status, 204)
    await listingAtRest(redis.port)
    const lines = await monitorLines(t, redis.port)
    t.equal((await broker.call('GET', `/tokens/${name}`)).status, 200)
    return eventually(async () => {
      const told = (await lines()).flatMap((line) => toldOf(line, name) ?? [])
      return told.filter((command) => command === RELEASE).length > 1 ? told : undefined
    })
  })
  t.same(all.slice(all.indexOf(RELEASE) + 1, all.lastIndexOf(RELEASE)), [
    ...['hmget d:identity', 'hmget i', 'hmget d:subject'],
    ...['evalsha i'],
  ])
})

t.test('the life of a token takes one script to save', async (t) => {
  const { firstRead, learned } = await world(t, {})
  await firstRead('warm')
  await learned('warm')
  const told = await firstRead('billing')
  await learned('billing')
  const [read = '', ...others] = await told(scriptOf)
  // Who looks whether the life is learned may read the lease again.
  const all = others.filter((command) => command !== read)
  const saved = all[all.lastIndexOf(RELEASE) - 1]
  t.match(read, /^[0-9a-f]{40}$/)
  t.match(saved, /^[0-9a-f]{40}$/, 'the first read saved it, too')
  const scripts = all
    .slice(all.lastIndexOf(RELEASE))
    .filter((command) => /^[0-9a-f]{40}$/.test(command))
  t.equal(scripts.length, 1, all.join())
})

t.test('a login that is charged with the lock is charged once', async (t) => {
  const { firstRead, simulator, broker } = await world(t, { expiresIn: 3_600 })
  await firstRead('billing')
  const logins = async () =>
    (await broker.call('GET', '/integrations/billing')).body.status.logins_last_hour
  t.equal(await logins(), simulator.tokenRequests().length)
  await broker.call('DELETE', '/tokens/billing')
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
  t.equal(await logins(), simulator.tokenRequests().length)
})
