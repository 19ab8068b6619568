/** Envoy's `credential_injector` with its example, between a client and the simulated Salesforce: it has the token of a while ago. */
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { unlessProvided } from '../support/apt.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { INJECTOR } from './gateway-table.ts'
import { startGateway } from './running-gateway.ts'

const skip = unlessProvided(await INJECTOR.provide((line) => t.comment(line)))

t.test("Envoy's credential_injector", { skip }, async (t) => {
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
  // Shorter than advised, so that the test does not wait for long: Envoy asks at the half.
  const made = await call('POST', '/api-keys', {
    body: {
      ...{ name: 'envoy', permissions: ['tokens:read'], integrations: ['billing'] },
      max_expires_in: 10,
    },
  })
  const { key } = made.body
  const enable = (enabled: boolean) =>
    call('PATCH', '/integrations/billing', { body: { enabled }, headers: { 'if-match': '*' } })
  await enable(false)
  const running = await startGateway(t, INJECTOR, {
    ...{ brokerUrl: broker.url, key },
    instance: new URL(myDomain),
  })
  t.teardown(() => {
    if (!t.passing()) t.comment(running.output())
  })
  const ask = async (headers: Readonly<Record<string, string>> = {}) => {
    const answer = await fetch(
      `http://127.0.0.1:${running.port}/services/data/v66.0/query?q=SELECT+Id`,
      {
        headers,
      },
    )
    const text = await answer.text()
    t.notOk(text.includes(key))
    for (const { token } of simulator.sessions()) t.notOk(text.includes(token))
    return answer.status
  }
  const reads = () =>
    broker
      .audit()
      .filter(({ action, principal }) => action === 'token.read' && principal === 'api-key:envoy')
      .length

  const arrived = () => simulator.log.filter(({ path }) => path.endsWith('/query'))

  await t.test('lets nothing pass without a token, and asks until there is one', async (t) => {
    await eventually(() => running.output().includes('integration_disabled'))
    t.equal(await ask(), 401)
    t.equal(arrived().length, 0)
    await enable(true)
    await eventually(async () => (await ask()) === 200)
    t.pass()
  })

  await t.test('puts the token on a request, in the place of what the client sent', async (t) => {
    t.equal(await ask(), 200)
    t.equal(await ask({ authorization: `Bearer ${key}` }), 200)
    t.notOk(arrived().some(({ headers }) => headers.authorization?.includes(key)))
  })

  await t.test('asks again at the half of max_expires_in, which costs no login', async (t) => {
    const logins = simulator.tokenRequests().length
    const before = reads()
    await eventually(() => reads() >= before + 2)
    t.equal(simulator.tokenRequests().length, logins)
  })

  await t.test('has another token soon after a session ended, because it comes back', async (t) => {
    await lifeKnown(call, 'billing')
    const logins = simulator.tokenRequests().length
    simulator.endSessions()
    t.equal(await ask(), 401, 'Envoy does not say that the token was refused')
    // Nobody else says it either: Valetkey looks at the token when Envoy asks for it again.
    await eventually(async () => (await ask()) === 200)
    t.equal(simulator.tokenRequests().length, logins + 1)
  })
})
