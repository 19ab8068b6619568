/** Clients that cannot say that a token was rejected: they log in again. */
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { listingAtRest } from '../support/listing.ts'
import { startRedis } from '../support/redis.ts'
import { monitorLines } from '../support/redis-monitor.ts'
import { login, soap, textIn, told } from './soap-world.ts'
import { doorWorld, slowClock } from './world.ts'

let ahead = 0
const clock = slowClock()
const world = await doorWorld(t, {
  now: () => Date.now() + ahead,
  monotonic: () => clock.monotonic() + ahead,
  env: { VALETKEY_METRICS_PORT: '1' },
})
const { simulator, ask, call, makeKey, broker } = world
const { myDomain } = simulator.origins

const SAME = { 'x-forwarded-for': '203.0.113.7' }

interface Place {
  readonly name: string
  readonly app: ReturnType<typeof simulator.addClientCredentialsApp>
  readonly key: { readonly id: string; readonly key: string }
  /** Logins at Salesforce, and looks at the instance. */
  readonly counts: () => { readonly logins: number; readonly looks: number }
  readonly logIn: (headers?: Readonly<Record<string, string>>) => ReturnType<typeof ask>
}

/** An integration of its own app with a key of its own, whose life is known, so that only looks use its token. */
async function placeOf(name: string): Promise<Place> {
  const app = simulator.addClientCredentialsApp()
  await call('PUT', `/integrations/${name}`, {
    body: {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
  const key = await makeKey(name)
  await call('GET', `/tokens/${name}`)
  await lifeKnown(call, name)
  const requests = (endpoint: string) =>
    simulator.log.filter((one) => one.endpoint === endpoint && one.clientId === app.clientId)
  const from = { token: requests('token').length, rest: requests('rest').length }
  return {
    ...{ name, app, key },
    counts: () => ({
      logins: requests('token').length - from.token,
      looks: requests('rest').length - from.rest,
    }),
    logIn: (headers = {}) =>
      ask({
        path: `/login/${name}/services/oauth2/token`,
        form: {
          grant_type: 'client_credentials',
          client_id: key.id,
          client_secret: key.key,
        },
        headers,
      }),
  }
}

const endSessions = ({ app }: Place) => simulator.endSessions({ clientId: app.clientId })

t.test('a token that died is replaced when its client logs in again', async (t) => {
  const place = await placeOf('dies')
  const first = await place.logIn(SAME)
  t.same(place.counts(), { logins: 0, looks: 0 }, 'nobody suspects a first login')
  endSessions(place)
  const second = await place.logIn(SAME)
  t.equal(second.status, 200, JSON.stringify(second.body))
  t.not(second.body.access_token, first.body.access_token)
  t.equal(place.counts().logins, 1)
  const { body } = await call('GET', '/tokens/dies')
  t.equal(body.access_token, second.body.access_token, 'for all callers')
  await eventually(() =>
    broker
      .audit()
      .some(
        ({ action, integration, detail }) =>
          action === 'token.revoked' && integration === 'dies' && detail?.reason === 'rejected',
      ),
  )
})

t.test('the replacement of a rejected token lasts, even if it is an older one', async (t) => {
  const place = await placeOf('rejects')
  const { key } = place
  const before = (await call('GET', '/tokens/rejects')).body
  const reject = () =>
    ask({
      path: '/oauth/token',
      form: {
        ...{ grant_type: 'client_credentials', scope: 'integration:rejects' },
        ...{ client_id: key.id, client_secret: key.key, rejected: before.token_id },
      },
    })
  endSessions(place)
  const first = await reject()
  t.equal(first.status, 200, JSON.stringify(first.body))
  await lifeKnown(call, 'rejects')
  t.not(first.body.token_id, before.token_id)
  const current = (await call('GET', '/tokens/rejects')).body
  t.equal(current.token_id, first.body.token_id)
  const former = ahead
  ahead = Date.parse(current.expires_at) - Date.now() - 60_000
  const { status, body } = await reject()
  ahead = former
  t.equal(status, 200, JSON.stringify(body))
  t.ok(body.expires_in >= 120, `${body.expires_in} s`)
  t.not(body.token_id, before.token_id)
})

t.test('a token of each door lasts for 120 s, and a shorter one is replaced', async (t) => {
  const lives: Readonly<Record<string, (place: Place) => Promise<number>>> = {
    'the login URL': async (place) => (await place.logIn()).body.expires_in,
    '/oauth/token': async ({ name, key: { id, key } }) => {
      const form = { grant_type: 'client_credentials', scope: `integration:${name}` }
      const client = { client_id: id, client_secret: key }
      return (await ask({ path: '/oauth/token', form: { ...form, ...client } })).body.expires_in
    },
    SOAP: async ({ name, key }) => {
      const path = `/login/${name}/services/Soap/u/60.0`
      const { body } = await ask(soap(login(name, key.key), { path }))
      return Number(textIn(body, 'sessionSecondsValid'))
    },
  }
  for (const [index, [door, secondsAt]] of Object.entries(lives).entries()) {
    const place = await placeOf(`lasting-${index}`)
    const { expires_at } = (await call('GET', `/tokens/${place.name}`)).body
    const former = ahead
    ahead = Date.parse(expires_at) - Date.now() - 110_000
    const seconds = await secondsAt(place)
    ahead = former
    t.ok(seconds >= 120, `${door}: ${seconds} s`)
  }
})

t.test('a token that lives is handed out again, after one look in ten seconds', async (t) => {
  const place = await placeOf('lives')
  const first = await place.logIn()
  for (let i = 0; i < 10; i += 1) {
    t.equal((await place.logIn()).body.access_token, first.body.access_token)
  }
  t.same(place.counts(), { logins: 0, looks: 1 })
  ahead += 10_500
  await place.logIn()
  t.same(place.counts(), { logins: 0, looks: 2 })
})

t.test('where the look brings no answer, the token is handed out again', async (t) => {
  const place = await placeOf('unknown')
  const first = await place.logIn()
  const fault = simulator.addFault({ kind: 'hold', endpoint: 'rest', times: null })
  t.teardown(() => fault.remove())
  const begin = performance.now()
  const second = await place.logIn()
  const took = performance.now() - begin
  t.equal(second.body.access_token, first.body.access_token)
  t.equal(fault.hits(), 1)
  t.ok(took >= 1_800, `the look took ${took} ms`)
})

t.test('where Salesforce says nothing of the token, it is handed out again', async (t) => {
  const place = await placeOf('untold')
  const first = await place.logIn()
  const fault = simulator.addFault({
    ...{ kind: 'rest_refusal', refusal: 'request_limit', endpoint: 'rest', times: null },
  })
  t.teardown(() => fault.remove())
  t.equal((await place.logIn()).body.access_token, first.body.access_token)
  t.equal(fault.hits(), 1)
})

t.test('100 processes that start at once are looked at once', async (t) => {
  const place = await placeOf('herd')
  const answers = await Promise.all(Array.from({ length: 100 }, () => place.logIn(SAME)))
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
  t.equal(new Set(answers.map(({ body }) => body.access_token)).size, 1)
  t.same(place.counts(), { logins: 0, looks: 1 })
})

t.test('100 processes whose token died get one new token by one login', async (t) => {
  const place = await placeOf('herd-dies')
  const first = await place.logIn()
  endSessions(place)
  const answers = await Promise.all(Array.from({ length: 100 }, () => place.logIn(SAME)))
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
  const tokens = new Set(answers.map(({ body }) => body.access_token))
  t.equal(tokens.size, 1)
  t.notOk(tokens.has(first.body.access_token))
  t.equal(place.counts().logins, 1)
})

t.test('a loop ends with a refusal, and its next login after 30 s is answered', async (t) => {
  const place = await placeOf('loop')
  const elsewhere = { 'x-forwarded-for': '203.0.113.8' }
  const [refused, ...answers] = (
    await clock.slowly(async () => {
      const all: Awaited<ReturnType<typeof ask>>[] = []
      for (let i = 0; i < 21; i += 1) all.push(await place.logIn(SAME))
      return all
    })
  ).reverse()
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
  t.equal(answers.length, 20)
  if (!refused) throw new Error('there is no last answer')
  t.equal(refused.status, 400)
  t.equal(refused.body.error, 'invalid_grant')
  t.match(refused.body.error_description, /^token_still_live: .*Session Settings.*instance_url/)
  t.match(await place.logIn(SAME), { status: 400, body: { error: 'invalid_grant' } })
  t.equal((await place.logIn(elsewhere)).status, 200, 'another address is not refused')
  t.same(place.counts(), { logins: 0, looks: 1 })
  t.equal((await call('GET', '/tokens/loop')).status, 200)
  ahead += 30_001
  t.equal((await place.logIn(SAME)).status, 200)

  const loops = () => broker.audit().filter(({ action }) => action === 'login.looped')
  await eventually(() => loops().length > 0)
  t.match(loops(), [
    {
      ...{ integration: 'loop', principal: 'api-key:loop', outcome: 'denied' },
      detail: { reason: 'token_still_live', address: '203.0.113.7' },
    },
  ])
  const lines = broker.logs().split('\n')
  t.equal(lines.filter((line) => line.includes('logs in again and again')).length, 1)
  const metricsPort = await broker.app.metrics?.listen({ host: '127.0.0.1', port: 0 })
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  t.match(metrics, /^valetkey_login_loops_total 2$/m)
})

t.test('a loop of SOAP logins ends with a fault that says why', async (t) => {
  const place = await placeOf('soap-loop')
  const { key } = place.key
  const path = '/login/soap-loop/services/Soap/u/60.0'
  const logIn = () => ask(soap(login('soap-loop', key), { path, headers: SAME }))
  const last = await clock.slowly(async () => {
    for (let i = 0; i < 20; i += 1) t.match(told(await logIn()), { status: 200 })
    return logIn()
  })
  t.match(told(last), {
    ...{ status: 500, faultcode: 'sf:INVALID_LOGIN', exceptionCode: 'INVALID_LOGIN' },
    faultstring: /^INVALID_LOGIN: token_still_live: .*Session Settings.*instance_url/,
  })
  ahead += 30_001
  t.match(told(await logIn()), { status: 200 })
})

t.test('a loop after a look that is older than it gets the new token', async (t) => {
  const place = await placeOf('late')
  const first = await place.logIn(SAME)
  await place.logIn(SAME)
  t.same(place.counts(), { logins: 0, looks: 1 })
  // The two logins before are no part of the loop.
  ahead += 2_500
  endSessions(place)
  const tokens = new Set<string>()
  await clock.slowly(async () => {
    for (let i = 0; i < 21; i += 1) {
      const { status, body } = await place.logIn(SAME)
      t.equal(status, 200, JSON.stringify(body))
      tokens.add(body.access_token)
    }
  })
  t.equal(tokens.size, 2)
  t.ok(tokens.has(first.body.access_token))
  t.equal(place.counts().logins, 1)
})

t.test('a fleet looks once, and hears what was found', async (t) => {
  const fleet = await startFleet(t, { replicas: 3 })
  const app = await fleet.integrate('shared')
  for (const { call } of fleet.replicas) await call('GET', '/tokens/shared')
  await lifeKnown(fleet.call, 'shared')
  const logIn = async (index: number, name = 'shared') => {
    const response = await fetch(`${fleet.replica(index).url}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`admin:${fleet.key}`)}` },
      body: new URLSearchParams({
        ...{ grant_type: 'client_credentials', scope: `integration:${name}` },
      }),
    })
    return { status: response.status, body: (await response.json()) as { access_token: string } }
  }
  const all = () => Promise.all([0, 1, 2].map((index) => logIn(index)))
  const restCalls = () =>
    fleet.simulator.log.filter(
      ({ endpoint, clientId }) => endpoint === 'rest' && clientId === app.clientId,
    ).length
  const before = restCalls()
  // A replica may hear already here that the caller has the token from another one, and look.
  const first = await all()
  const again = await all()
  t.same(new Set(again.map(({ body }) => body.access_token)).size, 1)
  t.equal(again[0]?.body.access_token, first[0]?.body.access_token)
  t.equal(restCalls() - before, 1)
  t.same(new Set((await all()).map(({ status }) => status)), new Set([200]))
  t.equal(restCalls() - before, 1)

  const other = await fleet.integrate('moving')
  for (const { call } of fleet.replicas) await call('GET', '/tokens/moving')
  await lifeKnown(fleet.call, 'moving')
  const dead = await logIn(0, 'moving')
  fleet.simulator.endSessions({ clientId: other.clientId })
  // The others hear within a few milliseconds who has the token.
  const moved = await eventually(async () => {
    const { body } = await logIn(1, 'moving')
    return body.access_token === dead.body.access_token ? undefined : body
  })
  t.ok(moved.access_token, 'a client that comes back to another replica gets a new token')
  t.equal(fleet.mints(other), 2)
})

t.test('a returning caller costs Redis one lock and one message in ten seconds', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const { ask, call, makeKey } = await doorWorld(t, { redisUrl: redis.url })
  await call('GET', '/tokens/billing')
  await lifeKnown(call, 'billing')
  const before = await monitorLines(t, redis.port)
  const { id, key } = await makeKey('quiet')
  const form = { grant_type: 'client_credentials', client_id: id, client_secret: key }
  // Who makes a key hears of that a moment later, and reads it once more.
  await eventually(async () => hasHeardAll(await before()))
  await ask({ form })
  await listingAtRest(redis.port)
  const lines = await monitorLines(t, redis.port)
  for (let i = 0; i < 30; i += 1) t.equal((await ask({ form })).status, 200)
  const told = (await lines()).flatMap((line) =>
    [...line.matchAll(/"vk:\{vk\}:([^"]+)"/g)].map(([, key = '']) => key),
  )
  const looks = told.filter((key) => key.startsWith('k:look:'))
  t.equal(looks.length, 1)
  // Other work of the process goes on.
  const ofLogins = told.filter((key) => /billing|api-key/.test(key))
  t.same(ofLogins, [], 'no login reads the store')
})

/** Whether the last change was read, and the next pulse came after it. */
function hasHeardAll(lines: readonly string[]): boolean {
  const written = lines.findLastIndex((line) => /"xadd"/i.test(line))
  const read = lines.findLastIndex((line) => /"xread"/i.test(line))
  const isPulse = (line: string) => line.includes('"hmget" "vk:{vk}:meta"')
  return written >= 0 && read > written && lines.slice(read).some(isPulse)
}
