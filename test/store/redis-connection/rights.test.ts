/** A user of Redis who lacks one right changes nothing, and is told which one. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { generateKeyring } from '../../../src/crypto/keyring.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { createRedisStore } from '../../../src/store/redis/redis-store.ts'
import { TRIED_COMMANDS } from '../../../src/store/redis-connection/rights.ts'
import { newAdminKey, startUnreadyProcess } from '../../support/broker.ts'
import { createCaller } from '../../support/caller.ts'
import { eventually } from '../../support/eventually.ts'
import { ROOT } from '../../support/project-root.ts'
import { ask, type RedisServer, startRedis } from '../../support/redis.ts'
import { documentedUser } from '../../support/redis-acl.ts'

const user = documentedUser()
const urlOf = ({ port }: RedisServer) => `redis://${user.userinfo}127.0.0.1:${port}/0`

/** Of the connection, not of the scripts. */
const BEFORE_ALL = ['info', 'client|setname', 'client|info', 'wait', 'eval', 'evalsha']

async function open(t: Test, url: string) {
  const store = await createRedisStore({
    connection: { url: new Secret(url) },
    onEvent: () => undefined,
  })
  t.teardown(() => store.close())
  return store
}

const keysOf = async ({ port }: RedisServer): Promise<readonly string[]> =>
  (await ask(port, (client) => client.keys('*'))) ?? []

t.test('what is tried is what the documents give, and what the store calls', async (t) => {
  t.same(
    [...new Set(TRIED_COMMANDS)].sort(),
    user.commands.filter((command) => !BEFORE_ALL.includes(command)).sort(),
  )
  const text = ['src/store/redis', 'src/store/redis-connection']
    .flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => join(ROOT, folder, name)))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('/rights.ts'))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n')
  for (const command of TRIED_COMMANDS) {
    t.match(text, new RegExp(`['"\`.]${command}['"\`(]`, 'i'), `the store calls ${command}`)
  }
})

t.test('each right that lacks is named, and nothing is written', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  await user.createOn(redis)
  const name = user.userinfo.split(':', 1)[0] ?? ''
  const grant = (rule: string) =>
    ask(redis.port, (client) => client.call('ACL', 'SETUSER', name, rule))
  for (const command of [...new Set(TRIED_COMMANDS), 'eval', 'evalsha']) {
    await grant(`-${command}`)
    const store = await open(t, urlOf(redis))
    await t.rejects(store.now(), { code: 'store_unavailable' }, command)
    t.match(store.trouble(), new RegExp(`NOPERM, .*\\b${command}\\b`), command)
    t.match(store.trouble(), 'docs/redis.md#command_forbidden')
    // What it had made before the command that it may not run is all that can be left.
    const left = (await keysOf(redis)).filter((key) => !key.includes('probe:'))
    t.same(left, [], command)
    await grant(`+${command}`)
    await eventually(async () => {
      try {
        await store.now()
        return true
      } catch {
        return false
      }
    })
    await store.close()
  }
  t.same(await keysOf(redis), [], 'it leaves nothing behind')
})

t.test('a command that the server does not have is named', async (t) => {
  const redis = await startRedis({ args: ['--rename-command', 'XADD', ''] })
  t.teardown(() => redis.stop())
  const store = await open(t, redis.url)
  await t.rejects(store.now(), { code: 'store_unavailable' })
  t.match(store.trouble(), /lacks a required command.*\(ERR, xadd\)/)
})

t.test('a broker that may not write is not ready, and says what it lacks', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  await user.createOn(redis)
  const name = user.userinfo.split(':', 1)[0] ?? ''
  await ask(redis.port, (client) => client.call('ACL', 'SETUSER', name, '-xadd'))
  const adminKey = newAdminKey()
  const broker = await startUnreadyProcess(t, {
    adminKey,
    env: {
      VALETKEY_REDIS_URL: urlOf(redis),
      VALETKEY_KEYRING: generateKeyring(Date.now()).reveal(),
    },
  })
  const call = createCaller(broker.url, adminKey)
  const ready = await eventually(async () => {
    const answer = await call('GET', '/readyz', { key: null })
    return JSON.stringify(answer.body).includes('xadd') ? answer : undefined
  })
  t.equal(ready.status, 503)
  const put = await call('PUT', '/integrations/billing', {
    body: {
      login_url: 'https://acme.my.salesforce.com',
      grant: { type: 'jwt_bearer', username: 'billing@acme.com' },
      credential: { generate: {} },
    },
  })
  t.equal(put.status, 503)
  await ask(redis.port, (client) => client.call('ACL', 'SETUSER', name, '+xadd'))
  await eventually(async () => (await call('GET', '/readyz', { key: null })).status === 200)
  t.equal((await call('GET', '/integrations/billing')).status, 404, 'and nothing was done')
})
