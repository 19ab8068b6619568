/** Replicas that nobody asks: they ask Redis for little, and miss nothing. */
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'
import { tally } from '../support/load.ts'
import { startRedis } from '../support/redis.ts'
import { monitorLines, monitorText } from '../support/redis-monitor.ts'

/** Of `MONITOR`, with the address of the client. */
const PULSE = /^\+\S+ \[\d+ (\S+)\] "hmget" "vk:\{vk\}:meta" "id" "seq"/
const CLAIM = /^\+\S+ \[\d+ (\S+)\] "evalsha" "\w+" "1" "vk:\{vk\}:due" "1"/

/** Every record has a code of authenticity, which a new store finds out once. */
const PROVEN = /"HSET" "vk:\{vk\}:d:store:macs" .*isComplete\\*":true/

const isPulse = (line: string) => PULSE.test(line)
const isSent = (line: string) => /^\+\S+ \[\d+ (?!lua\])/.test(line)
const isCommand = (line: string) => /^\+\S+ \[/.test(line)
/** Redis has one at a time, so a busy machine makes the window longer, and what is in it not more. */
const PULSES = 10

t.test('an idle replica asks Redis for little more than its pulse', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const text = await monitorText(t, redis.port)
  const loginUrl = simulator.origins.myDomain
  const { call } = await startBroker(t, { loginHosts: [loginUrl], redisUrl: redis.url })
  const app = simulator.addClientCredentialsApp({ name: 'billing' })
  const body = {
    login_url: loginUrl,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  }
  t.equal((await call('PUT', '/integrations/billing', { body })).status, 201)
  for (let reads = 0; reads < 2; reads += 1) {
    t.equal((await call('GET', '/tokens/billing')).status, 200)
  }
  // The last that follows a read is the count of its caller, and the last that follows a start this mark.
  await eventually(() => text().includes('"HSET" "vk:{vk}:d:callers:'))
  await eventually(() => PROVEN.test(text()))
  const from = text().length
  const since = () => text().slice(from).split('\r\n').slice(1)
  await eventually(() => since().filter(isPulse).length >= PULSES)
  const all = since()
  const pulses = all.filter(isPulse).length
  const sent = all.filter(isSent).length / pulses
  const commands = all.filter(isCommand).length / pulses
  const names = all.map((line) => /\] "(\w+)" "?([^"]*)/.exec(line)?.slice(1).join(' ') ?? '')
  const told = { commands, sent, names: tally(names) }
  t.ok(commands <= 5, 'commands a pulse, those in scripts included', told)
  t.ok(sent <= 2.6, 'round trips a pulse', told)
})

t.test('a lease is refreshed though only a replica that died was asked for it', async (t) => {
  const settings = { expiresIn: 'session', sessionTimeoutMs: 8_000, mintSlides: true } as const
  const fleet = await startFleet(t, { replicas: 2, settings })
  const app = await fleet.integrate('billing')
  const [asked, idle] = [fleet.replica(0), fleet.replica(1)]
  const lines = await monitorLines(t, fleet.redis.port)
  t.equal((await asked.call('GET', '/tokens/billing')).status, 200)
  const { body } = await asked.call('GET', '/tokens/billing')
  // Both have read the index since the entry was added.
  await eventually(async () => {
    const all = await lines()
    const marked = all.findIndex((line) => line.includes('"ZADD" "vk:{vk}:due"'))
    const readers = all.slice(marked).flatMap((line) => CLAIM.exec(line)?.[1] ?? [])
    return marked >= 0 && new Set(readers).size === 2
  })
  await asked.kill()
  await eventually(() => fleet.mints(app) === 2)
  t.ok(Date.now() < Date.parse(body.expires_at), 'before its end')
  await eventually(async () => {
    const next = await idle.call('GET', '/tokens/billing')
    return Date.parse(next.body.expires_at) > Date.parse(body.expires_at)
  })
})
