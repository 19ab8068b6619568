/** A replica that carries a freeze out is killed on the way: another one goes on, and counts each token once. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, spawnValetkey, startBroker } from '../support/broker.ts'
import { createCaller } from '../support/caller.ts'
import { ARMED, AT, POINT } from '../support/crash-settings.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'
import { integrateConnected } from '../support/refresh-tokens.ts'
import { startRestartable } from '../support/restartable.ts'

t.setTimeout(180_000)

const CRASH_POINT = new URL('../support/crash-point.ts', import.meta.url).href
const NAMES = ['billing', 'crm', 'stock']
/** One with a refresh token. */
const CONNECTED = 'treasury'
/** What a replica does beside a freeze. */
const OTHER = /ran vk(?:Listing|Claim|CustodyAge)/
const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const redis = await startRedis()
t.teardown(() => redis.stop())

/** Gives the points that the killed replica passed. `crashAt`: the one at which it was killed. */
async function attempt(t: Test, index: number, crashAt?: string): Promise<readonly string[]> {
  const shared = {
    loginHosts: [simulator.origins.myDomain],
    redisPrefix: `freeze-crash-${index}:`,
    keyring: generateKeyring(Date.now()).reveal(),
    adminKey: newAdminKey(),
  }
  const former = await startBroker(t, { ...shared, redisUrl: redis.url })
  const tokens: string[] = []
  for (const name of NAMES) {
    const app = simulator.addClientCredentialsApp({ name: `${name}-${index}` })
    await former.call('PUT', `/integrations/${name}`, {
      body: {
        login_url: app.loginUrl,
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
      },
    })
    tokens.push((await former.call('GET', `/tokens/${name}`)).body.access_token)
  }
  const { clientId } = await integrateConnected({ simulator, call: former.call }, CONNECTED, {
    name: `${CONNECTED}-${index}`,
  })
  tokens.push((await former.call('GET', `/tokens/${CONNECTED}`)).body.access_token)
  const presented = simulator.tokenRequests().find((one) => one.clientId === clientId)
  const family = simulator
    .refreshTokens()
    .find(({ token }) => token === presented?.form?.refresh_token)?.familyId
  t.ok(family)
  // Otherwise it would carry the freeze out.
  await former.stop()
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-freeze-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const armed = join(folder, 'armed')
  const child = spawnValetkey(
    ['serve'],
    {
      VALETKEY_PORT: '0',
      VALETKEY_METRICS_PORT: '0',
      VALETKEY_DOCS: 'off',
      VALETKEY_ADMIN_KEY: shared.adminKey,
      VALETKEY_KEYRING: shared.keyring,
      VALETKEY_LOGIN_HOSTS: shared.loginHosts.join(','),
      VALETKEY_REDIS_URL: redis.url,
      VALETKEY_REDIS_PREFIX: shared.redisPrefix,
      ...(crashAt !== undefined && { [AT]: crashAt }),
      [ARMED]: armed,
    },
    { nodeArgs: ['--import', CRASH_POINT] },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk
    })
  }
  const ended = once(child, 'close')
  const port = await eventually(() => /"port":(\d+).*"listening"/.exec(output)?.[1])
  const own = createCaller(`http://127.0.0.1:${port}`, shared.adminKey)
  await eventually(async () => (await own('GET', '/readyz')).status === 200)
  await writeFile(armed, '')
  const body = { selector: { all: true }, reason: 'a test', revoke_refresh_tokens: true }
  const ordered = await own('POST', '/freezes', { body }).catch(() => undefined)
  await eventually(async () => {
    const seen = await own('GET', '/freezes').catch(() => undefined)
    return child.signalCode !== null || seen?.body.items?.[0]?.state === 'done'
  })
  child.kill('SIGKILL')
  await ended
  const { call } = await startBroker(t, { ...shared, redisUrl: redis.url })
  await eventually(async () => (await call('GET', '/readyz')).status === 200)
  const first = async () => (await call('GET', '/freezes')).body.items[0]
  const isInForce = ordered !== undefined || (await first()) !== undefined
  if (isInForce) {
    const done = await eventually(async () => {
      const found = await first()
      return found?.state === 'done' && found
    }, 40_000)
    // The access token of each, and the refresh token.
    const all = tokens.length + 1
    t.match(done, { tokens: { done: all, left: 0, failed: 0 } }, crashAt ?? 'not killed')
    t.notOk(
      simulator.refreshTokens().some((one) => one.familyId === family && one.state === 'current'),
      `${crashAt}: the refresh token is dead`,
    )
    const live = new Set(simulator.sessions().map(({ token }) => token))
    t.same(
      tokens.filter((token) => live.has(token)),
      [],
      `${crashAt}: every token is dead`,
    )
    for (const name of [...NAMES, CONNECTED]) {
      t.equal((await call('GET', `/tokens/${name}`)).body.code, 'integration_frozen', name)
    }
    t.equal((await call('DELETE', `/freezes/${done.id}`)).status, 204)
  }
  for (const [at, name] of NAMES.entries()) {
    const { status, body: token } = await call('GET', `/tokens/${name}`)
    t.equal(status, 200, `${crashAt}: ${name} comes back`)
    if (isInForce) t.not(token.access_token, tokens[at])
  }
  const connected = await call('GET', `/tokens/${CONNECTED}`)
  t.equal(connected.body.code, isInForce ? 'integration_not_connected' : undefined)
  const points = [...output.matchAll(new RegExp(`^${POINT}: (.*)$`, 'gm'))]
  return points.map(([, point]) => point ?? '')
}

t.test('at each kind of step, on Redis', async (t) => {
  const points = await attempt(t, 0)
  const kinds = new Map(points.map((point) => [point.replace(/ \(\d+\)$/, ''), point]))
  // The first of each kind, and with `VALETKEY_TEST_LONG=1` the last, and those of other work.
  const isLong = process.env.VALETKEY_TEST_LONG === '1'
  const firsts = points.filter((point) => point.endsWith(' (1)') && (isLong || !OTHER.test(point)))
  const chosen = new Set([...firsts, ...(isLong ? kinds.values() : [])])
  t.comment(`${points.length} points: ${points.join(', ')}`)
  t.ok(chosen.size > 5)
  const left = [...chosen].entries()
  const worker = async () => {
    for (const [index, point] of left) await attempt(t, index + 1, point)
  }
  await Promise.all([worker(), worker(), worker(), worker()])
})

t.test('at Salesforce, on the embedded store', async (t) => {
  const broker = await startRestartable(t, simulator)
  const tokens: string[] = []
  for (const name of NAMES) {
    const app = simulator.addClientCredentialsApp({ name: `${name}-embedded` })
    await broker.call('PUT', `/integrations/${name}`, {
      body: {
        login_url: app.loginUrl,
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
      },
    })
    tokens.push((await broker.call('GET', `/tokens/${name}`)).body.access_token)
  }
  const fault = simulator.addFault({ kind: 'hold', endpoint: 'revoke', times: null })
  const body = { selector: { all: true }, reason: 'a test' }
  const { id } = (await broker.call('POST', '/freezes', { body })).body
  await eventually(() => fault.holding() === NAMES.length)
  await broker.kill()
  fault.remove()
  await broker.restart()
  t.equal((await broker.call('GET', '/tokens/billing')).body.code, 'integration_frozen')
  const done = await eventually(async () => {
    const found = (await broker.call('GET', `/freezes/${id}`)).body
    return found.state === 'done' && found
  }, 40_000)
  t.match(done, { tokens: { done: NAMES.length, left: 0, failed: 0 } })
  const live = new Set(simulator.sessions().map(({ token }) => token))
  t.same(
    tokens.filter((token) => live.has(token)),
    [],
  )
})
