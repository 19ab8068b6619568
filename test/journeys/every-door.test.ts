/** All doors at once: one login for a cold integration, and no command to Redis for what is known. */
import t from 'tap'
import { Pool } from 'undici'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { DOORS, type Door, doorRequests } from '../support/door-requests.ts'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { startRedis } from '../support/redis.ts'
import { monitorLines } from '../support/redis-monitor.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const redis = await startRedis()
t.teardown(() => redis.stop())
const broker = await startBroker(t, {
  ...{ loginHosts: [simulator.origins.myDomain], redisUrl: redis.url },
  env: { VALETKEY_TRUST_PROXY: '127.0.0.1/32', VALETKEY_LOG_LEVEL: 'warn' },
})
const { call } = broker
const integrate = async (name: string) => {
  const app = simulator.addClientCredentialsApp({ name })
  await call('PUT', `/integrations/${name}`, {
    body: {
      login_url: simulator.origins.myDomain,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
}
const made = await call('POST', '/api-keys', {
  body: { name: 'everybody', permissions: ['tokens:read'], integrations: ['*'] },
})
const key: string = made.body.key
const pool = new Pool(broker.url, { connections: 200 })
t.teardown(() => pool.close())

/** Each from an address of its own: one that asks again and again is a client in a loop. */
let asked = 0
async function ask(
  name: string,
  door: Door,
  through: Pool = pool,
): Promise<{ status: number; text: string }> {
  asked += 1
  const { method, path, headers, body } = doorRequests(name, key)[door]
  const address = `10.${(asked >> 16) & 255}.${(asked >> 8) & 255}.${asked & 255}`
  const answer = await through.request({
    ...{ method, path, headers: { ...headers, 'x-forwarded-for': address } },
    ...(body !== undefined && { body }),
  })
  const text = await answer.body.text()
  return { status: answer.statusCode, text: `${text}${answer.headers.authorization ?? ''}` }
}

t.test('clients at all doors of a cold integration share one login', async (t) => {
  // `npm run bench -- doors` has 2,000 of them in each run.
  const CLIENTS = process.env.VALETKEY_TEST_LONG === '1' ? 2_000 : 200
  await integrate('cold')
  const crowd = new Pool(broker.url, { connections: CLIENTS })
  t.teardown(() => crowd.close())
  const held = simulator.addFault({ kind: 'hold' })
  const asking = Promise.all(
    Array.from({ length: CLIENTS }, (_, index) =>
      ask('cold', DOORS[index % DOORS.length] as Door, crowd),
    ),
  )
  await eventually(() => held.holding() > 0)
  held.remove()
  const answers = await asking
  t.same([...new Set(answers.map(({ status }) => status))], [200])
  t.equal(simulator.tokenRequests().length, 1)
  const token: string = (await call('GET', '/tokens/cold')).body.access_token
  t.ok(
    answers.every(({ text }) => text.includes(token)),
    'all have the same token',
  )
})

t.test('a hit at any door asks Redis for nothing', async (t) => {
  const HITS = 300
  await integrate('warm')
  for (const door of DOORS) t.equal((await ask('warm', door)).status, 200, door)
  await lifeKnown(call, 'warm')
  const commands = await monitorLines(t, redis.port)
  for (const door of DOORS) {
    await ask('warm', door)
    const before = await commands()
    for (let hit = 0; hit < HITS; hit += 10) {
      await Promise.all(Array.from({ length: 10 }, () => ask('warm', door)))
    }
    const during = (await commands()).slice(before.length)
    // What a hit could ask for has the name, the key or the address; the rest is work in the background.
    const ofHits = during.filter((line) => /warm|:api-key:|:auth:|"10\.|127\.0\.0\.1"/.test(line))
    t.ok(ofHits.length < HITS / 10, `${door}: ${ofHits.length} commands; ${ofHits[0]}`)
    const most = Math.max(
      ...Object.values(Object.groupBy(during, kindOf)).map((all) => all?.length ?? 0),
    )
    t.ok(most < HITS / 2, `${door}: ${most} commands of one kind`)
  }
})

/** The command with its first argument, which is the script of `EVALSHA`. */
const kindOf = (line: string): string => /\] ("[^"]*"(?: "[^"]*")?)/.exec(line)?.[1] ?? line
