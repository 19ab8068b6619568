/** `valetkey check-token`: run where a token is used, it names why it does not work there. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { spawnValetkey, startBroker } from '../support/broker.ts'

/** A way to Salesforce on which the next connection comes out at another address. */
async function relay(t: Test, port: number) {
  let elsewhere = 0
  const server = createServer((from) => {
    const localAddress = elsewhere > 0 ? '127.0.0.9' : '127.0.0.1'
    elsewhere = Math.max(0, elsewhere - 1)
    const to = connect({ host: '127.0.0.1', port, localAddress })
    from.pipe(to).pipe(from)
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
      t.teardown(() => one.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    comesFromElsewhere: () => {
      elsewhere = 1
    },
  }
}

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const way = await relay(t, simulator.port)
const loginHosts = [way.origin, simulator.origins.sandbox]
const broker = await startBroker(t, { loginHosts })

async function make(name: string) {
  const app = simulator.addClientCredentialsApp()
  const put = await broker.call('PUT', `/integrations/${name}`, {
    body: {
      login_url: way.origin,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
  t.equal(put.status, 201, JSON.stringify(put.body))
  const served = await broker.call('GET', `/tokens/${name}`)
  t.equal(served.status, 200, JSON.stringify(served.body))
  return { app, token: served.body.access_token as string }
}

async function keyFor(name: string): Promise<string> {
  const body = { name, permissions: ['tokens:read'], integrations: [name] }
  return (await broker.call('POST', '/api-keys', { body })).body.key
}

async function run(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawnValetkey(['check-token', ...args], {
    VALETKEY_URL: broker.url,
    VALETKEY_LOGIN_HOSTS: loginHosts.join(','),
    ...env,
  })
  let output = ''
  child.stdout?.on('data', (text) => {
    output += text
  })
  child.stderr?.on('data', (text) => {
    output += text
  })
  const [code] = await once(child, 'close')
  return { code, output }
}

t.test('a token that works here, with a key that may read it alone', async (t) => {
  const { token } = await make('well')
  const key = await keyFor('well')
  const { code, output } = await run(['well'], { VALETKEY_KEY: key })
  t.equal(code, 0, output)
  t.match(output, /from here +200\n.*from the broker +200\n.*none: /s)
  t.notMatch(output, token)
  t.notMatch(output, key)
  t.match(
    broker.audit().filter(({ action }) => action === 'token.checked'),
    [{ integration: 'well', principal: /^api-key/, detail: { reason: 'none' } }],
  )
})

t.test('sessions that are locked to an address are told for what they are', async (t) => {
  const { app, token } = await make('locked')
  const VALETKEY_KEY = await keyFor('locked')
  simulator.updateOrg(app.orgId, { locksSessionsToIp: true })
  t.teardown(() => simulator.updateOrg(app.orgId, { locksSessionsToIp: false }))
  way.comesFromElsewhere()
  const { code, output } = await run(['locked', '--json'], { VALETKEY_KEY })
  t.equal(code, 1, output)
  const found = JSON.parse(output)
  t.match(found, {
    integration: 'locked',
    difference: 'address_lock',
    remedy: /Session Settings → Lock sessions to the IP address/,
    there: { status: 401, error_code: 'INVALID_SESSION_ID' },
    here: { status: 200 },
    instance_url: way.origin,
  })
  t.notMatch(output, token)
  const rejected = await broker.call('GET', `/tokens/locked?rejected=${found.token_id}`)
  t.match(rejected, {
    status: 409,
    body: { code: 'token_still_live', detail: /locked to the IP address/, remedy: /check-token/ },
  })
})

t.test('another host, a missing scope and an API that is closed', async (t) => {
  await make('lost')
  const lost = await run(['lost', '--at', simulator.origins.sandbox], {
    VALETKEY_KEY: await keyFor('lost'),
  })
  t.match(lost, { code: 1, output: /wrong_instance: / })
  const scopeless = simulator.addClientCredentialsApp({ scopes: ['id'] })
  await broker.call('PUT', '/integrations/scopeless', {
    body: {
      login_url: way.origin,
      grant: { type: 'client_credentials', client_id: scopeless.clientId },
      credential: { client_secret: scopeless.clientSecret },
    },
  })
  const poor = await run(['scopeless'], { VALETKEY_KEY: await keyFor('scopeless') })
  t.match(poor, { code: 1, output: /scope: .*lacks the scope api/ })
  const { app } = await make('barred')
  simulator.updateApp(app.clientId, { restApiAllowed: false })
  const barred = await run(['barred'], { VALETKEY_KEY: await keyFor('barred') })
  t.match(barred, { code: 1, output: /api_access: .*\n.*API Access Control/ })
})

t.test('the same without the command, and no more often than it has to be asked', async (t) => {
  await make('asked')
  const seen = { status: 401, error_code: 'INVALID_SESSION_ID', message: 'Session expired' }
  const ask = () => broker.call('POST', '/tokens/asked/check', { body: { seen } })
  simulator.clear()
  const answers = await Promise.all([ask(), ask(), ask()])
  for (const answer of answers) {
    t.match(answer, { status: 200, body: { difference: 'address_lock', here: { status: 200 } } })
    t.notOk('access_token' in answer.body)
  }
  t.equal(simulator.log.filter(({ endpoint }) => endpoint === 'rest').length, 1)
  t.equal(simulator.tokenRequests().length, 0, 'and no login')
  for (const body of [{}, { seen: {} }, { seen: { status: 700 } }, { seen: { host: 'a/b' } }]) {
    t.match(await broker.call('POST', '/tokens/asked/check', { body }), { status: 400 })
  }
})

t.test('what is in the way of the command is said, and no key', async (t) => {
  const usage = await run([], { VALETKEY_KEY: 'x' })
  t.match(usage, { code: 64, output: /usage: valetkey/ })
  const unset = await run(['well'], { VALETKEY_URL: 'here' })
  t.match(unset, { code: 78, output: /VALETKEY_URL: .*\n.*VALETKEY_KEY: / })
  const refused = await run(['well'], { VALETKEY_KEY: 'vk_of-nobody' })
  t.match(refused, { code: 69, output: /answered 401 caller_unauthenticated/ })
  t.notMatch(refused.output, 'vk_of-nobody')
  const away = await run(['well'], { VALETKEY_KEY: 'x', VALETKEY_URL: 'http://127.0.0.1:9' })
  t.match(away, { code: 69, output: /cannot be reached/ })
})
