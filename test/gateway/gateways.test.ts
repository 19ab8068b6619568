/** Each file of `examples/gateways` in its real gateway, between a client and the simulated Salesforce. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { unlessProvided } from '../support/apt.ts'
import { startBroker } from '../support/broker.ts'
import { ROOT } from '../support/project-root.ts'
import { sendRaw } from '../support/raw-http.ts'
import { GATEWAYS, INJECTOR } from './gateway-table.ts'
import { startGateway } from './running-gateway.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const broker = await startBroker(t, { loginHosts: [myDomain] })
const { call } = broker
const app = simulator.addClientCredentialsApp()
await call('PUT', '/integrations/billing', {
  body: {
    login_url: myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  },
})
const keyFor = async (name: string, limits: object = {}): Promise<string> => {
  const body = { name, permissions: ['tokens:read'], integrations: ['billing'], ...limits }
  return (await call('POST', '/api-keys', { body })).body.key
}
const plain = await keyFor('plain')
const requests = ['GET /services/data/*/query', 'POST /services/data/*/query']
const limited = await keyFor('limited', { requests })

const QUERY = '/services/data/v66.0/query?q=SELECT+Id+FROM+Organization'
const LIMITS = '/services/data/v66.0/limits'

/** What reached Salesforce's API. */
const arrived = () => simulator.log.filter(({ path }) => path.includes('/services/data'))

const logins = () =>
  Object.values(simulator.counters().tokenRequests.client_credentials ?? {}).reduce(
    (sum, count) => sum + count,
    0,
  )

t.test('every file has a gateway that runs it', async (t) => {
  const files = readdirSync(join(ROOT, 'examples/gateways')).filter((file) => file !== 'README.md')
  const run = [...GATEWAYS, INJECTOR].flatMap((gateway) => gateway.files)
  t.same(files.sort(), [...new Set(run)].sort())
})

for (const gateway of GATEWAYS) {
  const { name, prefix } = gateway
  const skip = unlessProvided(await gateway.provide((line) => t.comment(line)))

  const started = async (t: Test, key: string) => {
    const surroundings = { brokerUrl: broker.url, key, instance: new URL(myDomain) }
    const running = await startGateway(t, gateway, surroundings)
    t.teardown(() => {
      if (!t.passing()) t.comment(running.output())
    })
    /** Byte for byte: `fetch` normalises paths. */
    const send = async (
      method: string,
      target: string,
      headers: Readonly<Record<string, string>> = {},
      body = '',
    ) => {
      const fields = {
        ...{ host: 'gateway.example', connection: 'close', 'content-length': String(body.length) },
        ...headers,
      }
      const lines = Object.entries(fields).map(([field, value]) => `${field}: ${value}\r\n`)
      const bytes = `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
      const answer = await sendRaw(running.port, bytes)
      const text = JSON.stringify(answer)
      for (const secret of [key, ...simulator.sessions().map(({ token }) => token)]) {
        if (text?.includes(secret)) t.fail(`a secret at the client: ${method} ${target}`)
      }
      return answer
    }
    return { send }
  }

  t.test(name, { skip }, async (t) => {
    t.test('puts the token on a request, in the place of what the client sent', async (t) => {
      const { send } = await started(t, plain)
      simulator.clear()
      const mine = { authorization: `Bearer ${plain}`, 'x-valetkey-rejected': 'x'.repeat(22) }
      for (const headers of [{}, mine, { authorization: 'Basic YTpi' }]) {
        const answer = await send('GET', `${prefix}${QUERY}`, headers)
        t.match(answer, { status: 200 })
        t.match(answer?.body, simulator.acme.id)
      }
      t.match(await send('POST', `${prefix}${QUERY}`, {}, '{"a":1}'), { status: 200 })
      const seen = arrived()
      t.equal(seen.length, 4)
      for (const { headers, path, query, host } of seen) {
        t.notOk(headers.authorization?.includes(plain), 'the key stays here')
        t.notOk(Object.keys(headers).some((field) => field.startsWith('x-valetkey-auth')))
        t.equal(path, '/services/data/v66.0/query')
        t.equal(query.q, 'SELECT Id FROM Organization')
        t.equal(host, new URL(myDomain).host)
      }
    })

    t.test('lets pass what the key permits, and nothing else', async (t) => {
      const { send } = await started(t, limited)
      simulator.clear()
      t.match(await send('GET', `${prefix}${QUERY}`), { status: 200 })
      t.match(await send('POST', `${prefix}${QUERY}`, {}, '{"a":1}'), { status: 200 })
      const before = arrived().length
      t.equal(before, 2)
      const allowed = {
        'x-original-method': 'GET',
        'x-original-uri': QUERY,
        'x-forwarded-method': 'GET',
        'x-forwarded-uri': QUERY,
      }
      for (const headers of [{}, allowed]) {
        for (const method of ['GET', 'POST', 'DELETE']) {
          const answer = await send(method, `${prefix}${LIMITS}`, headers)
          t.equal(answer?.status, 403, method)
        }
        t.equal((await send('DELETE', `${prefix}${QUERY}`, headers))?.status, 403)
      }
      t.equal(arrived().length, before)

      const overriding = {
        'x-http-method-override': 'DELETE',
        'x-http-method': 'DELETE',
        'x-method-override': 'DELETE',
      }
      const tricks = [
        '/services/data/v66.0/query',
        '/services/data/v66.0/query/../limits',
        '/services/data/v66.0/query/%2e%2e/limits',
        '/services/data/v66.0/query/..%2flimits',
        '/services/data/v66.0/query%2f..%2flimits',
        '/services/data/v66.0/query/..;/limits',
        '/services/data/v66.0/query;/../limits',
        '/services/data/v66.0/query\\..\\limits',
        '/services/data/v66.0/query/..\\limits',
        '//services/data/v66.0/limits',
        '/services//data/v66.0/limits?/services/data/v66.0/query',
        '/services/data/v66.0/limits?x=/query',
        '/services/data/v66.0/limits%3f/query',
        '/services/data/v66.0/limits#/query',
        '/services/data/v66.0/limits%00/query',
        '/services/data/v66.0%2flimits/../query',
        '/services/data/v66.0/./limits',
        '/services/data/v66.0/%6cimits',
        `${QUERY}&_HttpMethod=DELETE`,
        '/services/data/v66.0/query?_HttpMethod=PATCH',
      ]
      for (const trick of tricks) {
        for (const headers of [{}, allowed, overriding]) {
          simulator.clear()
          await send('POST', `${prefix}${trick}`, headers)
          for (const { path, query, headers } of arrived()) {
            t.equal(path, '/services/data/v66.0/query', trick)
            t.notOk(Object.keys(headers).some((field) => Object.hasOwn(overriding, field)))
            t.notOk(Object.hasOwn(query, '_HttpMethod'), trick)
          }
        }
      }
    })

    t.test('lets nothing pass where Valetkey refuses', async (t) => {
      const { send } = await started(t, plain)
      await call('PATCH', '/integrations/billing', {
        body: { enabled: false },
        headers: { 'if-match': '*' },
      })
      simulator.clear()
      const answer = await send('GET', `${prefix}${QUERY}`, { authorization: `Bearer ${plain}` })
      t.equal(answer?.status, gateway.refusal)
      t.equal(answer?.header('x-valetkey-code'), 'integration_disabled')
      t.equal(arrived().length, 0)
      await call('PATCH', '/integrations/billing', {
        body: { enabled: true },
        headers: { 'if-match': '*' },
      })
      t.match(await send('GET', `${prefix}${QUERY}`), { status: 200 })
    })

    t.test('heals a session that died, or obeys the broker with the next request', async (t) => {
      const { send } = await started(t, plain)
      for (const method of ['GET', 'POST']) {
        t.match(await send(method, `${prefix}${QUERY}`, {}, ''), { status: 200 })
        simulator.endSessions()
        const before = logins()
        const status = gateway.heals.includes(method) ? 200 : 401
        t.equal((await send(method, `${prefix}${QUERY}`))?.status, status, method)
        if (status === 401 && !gateway.reports) await call('DELETE', '/tokens/billing')
        t.match(await send(method, `${prefix}${QUERY}`), { status: 200 })
        t.equal(logins(), before + 1)
      }
    })
  })
}
