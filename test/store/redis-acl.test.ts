import { Redis } from 'ioredis'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { changesSuite } from '../contracts/store/changes.ts'
import { integrationsSuite } from '../contracts/store/integrations.ts'
import { storeSuite } from '../contracts/store/suite.ts'
import { newAdminKey, startBrokerProcess } from '../support/broker.ts'
import { REDIS_PROGRAM, type RedisServer, startRedis, startReplica } from '../support/redis.ts'
import { commandsOf, documentedUser, refusalsOf } from '../support/redis-acl.ts'
import { startCluster } from '../support/redis-cluster.ts'
import { startSentinel } from '../support/redis-sentinel.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { openRedis } from '../support/store-engines.ts'

const user = documentedUser()
const urlOf = ({ port }: RedisServer) => `redis://${user.userinfo}127.0.0.1:${port}/0`

/** By the client of the test itself, and by replicas. */
const OTHERS = [
  ...['acl|setuser', 'acl|log', 'quit', 'command', 'ping', 'psync', 'replconf'],
  ...['config|resetstat', 'cluster|nodes', 'auth'],
]

t.test(
  'the documented user may do all that the store does, and nothing is superfluous',
  async (t) => {
    const redis = await startRedis()
    t.teardown(() => redis.stop())
    const replica = await startReplica({ master: redis })
    t.teardown(() => replica.stop())
    await user.createOn(redis)
    const raw = new Redis(redis.url)
    t.teardown(() => raw.disconnect())
    await raw.config('RESETSTAT')

    await storeSuite(t, (test = t) => openRedis(test, { url: urlOf(redis), waitReplicas: 1 }))
    t.same(await refusalsOf([redis]), [])
    const used = [...(await commandsOf(redis))].filter((command) => !OTHERS.includes(command))
    // Another server counts its commands otherwise.
    if (REDIS_PROGRAM === 'redis-server') t.same(used.sort(), [...user.commands].sort())
  },
)

t.test('the documented user is enough with Sentinel', async (t) => {
  const servers = await startSentinel()
  t.teardown(() => servers.stop())
  await servers.settled()
  await Promise.all(servers.nodes.map((node) => user.createOn(node)))
  const open = (test = t) => openRedis(test, { url: servers.url(user.userinfo), waitReplicas: 1 })
  await integrationsSuite(t, open)
  await changesSuite(t, open)
  t.same(await refusalsOf(servers.nodes), [])
})

t.test('the documented user is enough with Cluster', async (t) => {
  const servers = await startCluster()
  t.teardown(() => servers.stop())
  await servers.settled()
  await Promise.all(servers.nodes.map((node) => user.createOn(node)))
  const open = (test = t) => openRedis(test, { url: servers.url(user.userinfo), waitReplicas: 1 })
  await integrationsSuite(t, open)
  await changesSuite(t, open)
  t.same(await refusalsOf(servers.nodes), [])
  const used = new Set(
    (await Promise.all(servers.nodes.map(commandsOf))).flatMap((one) => [...one]),
  )
  for (const command of user.clusterCommands.filter((one) => one !== 'asking')) {
    t.ok(used.has(command), command)
  }
})

t.test('the documented user is enough for the whole service', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const replica = await startReplica({ master: redis })
  t.teardown(() => replica.stop())
  await user.createOn(redis)
  const adminKey = newAdminKey()
  const { call, kill } = await startBrokerProcess(t, {
    adminKey,
    env: {
      VALETKEY_REDIS_URL: urlOf(redis),
      VALETKEY_REDIS_WAIT: '1',
      VALETKEY_KEYRING: generateKeyring(Date.now()).reveal(),
      VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
    },
  })
  const key = await newSigningKey()
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  const body = {
    login_url: simulator.origins.myDomain,
    grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
    credential: { private_key: key.privateKey, certificate: key.certificate },
  }
  const refused: (readonly [request: string, status: number, detail: string])[] = []
  const does = async (method: string, path: string, options: Parameters<typeof call>[2] = {}) => {
    const answer = await call(method, path, options)
    const { status, body } = answer
    if (status >= 400 && status !== 409) refused.push([`${method} ${path}`, status, body.detail])
    return answer
  }
  await does('PUT', '/integrations/a', { body })
  const token = await does('GET', '/tokens/a')
  await does('GET', `/tokens/a?rejected=${token.body.token_id}`)
  await does('POST', '/integrations/a/credentials', { body: { generate: {} } })
  const made = await does('POST', '/api-keys', {
    body: { name: 'svc', permissions: ['tokens:read'], integrations: ['*'] },
  })
  await does('GET', '/whoami', { key: made.body.key })
  await does('DELETE', `/api-keys/${made.body.id}`)
  await does('DELETE', '/tokens/a')
  await does('GET', '/integrations')
  await does('GET', '/audit')
  await does('GET', '/integrations/a/callers')
  await does('DELETE', '/integrations/a', { headers: { 'if-match': '*' } })
  await does('POST', '/store/accept')
  t.same(refused, [])
  const { body: readiness } = await call('GET', '/readyz')
  t.same(
    readiness.checks.filter(({ ok }: { ok: boolean }) => !ok),
    [],
  )
  t.equal(await kill('SIGTERM'), 0)
  t.same(await refusalsOf([redis]), [])
})
