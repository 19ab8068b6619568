/** A freeze that also ends connections, on both stores: refresh tokens die at Salesforce, and are counted until they do. */
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'
import { integrateConnected } from '../support/refresh-tokens.ts'

t.setTimeout(120_000)

const redis = await startRedis()
t.teardown(() => redis.stop())

for (const [engine, place] of Object.entries({ embedded: {}, redis: { redisUrl: redis.url } })) {
  t.test(`${engine}: refresh tokens die, too, and count until they are dead`, async (t) => {
    const simulator = await startSimulator()
    t.teardown(() => simulator.stop())
    const broker = await startBroker(t, { loginHosts: [simulator.origins.myDomain], ...place })
    const { call } = broker
    for (const name of ['billing', 'other']) {
      await integrateConnected({ simulator, call }, name)
      t.equal((await call('GET', `/tokens/${name}`)).status, 200)
    }
    const livingCount = () =>
      simulator.refreshTokens().filter(({ state }) => state === 'current').length
    t.equal(livingCount(), 2)
    const fault = simulator.addFault({ kind: 'html', endpoint: 'revoke', times: null })
    const { id } = (
      await call('POST', '/freezes', {
        body: {
          selector: { integrations: ['billing'] },
          reason: 'refresh tokens were stolen',
          revoke_refresh_tokens: true,
        },
      })
    ).body
    const report = async () => (await call('GET', `/freezes/${id}`)).body
    const failed = await eventually(async () => {
      const found = await report()
      return found.tokens.failed === 2 && found
    })
    t.match(
      failed,
      { state: 'revoking', tokens: { done: 0, left: 0, failed: 2 }, connections_ended: 1 },
      'the refresh token lives, so it is not done',
    )
    t.equal(livingCount(), 2)
    fault.remove()
    const done = await eventually(async () => {
      const found = await report()
      return found.state === 'done' && found
    })
    t.match(done, { tokens: { done: 2, left: 0, failed: 0 }, connections_ended: 1, failures: [] })
    t.equal(livingCount(), 1, 'that of the other one')
    t.equal((await call('DELETE', `/freezes/${id}`)).status, 204)
    t.match(await call('GET', '/tokens/billing'), {
      status: 409,
      body: { code: 'integration_not_connected' },
    })
    t.equal((await call('GET', '/tokens/other')).status, 200)
    const ended = broker
      .audit()
      .filter(({ action, integration }) =>
        `${action} ${integration}`.includes('integration.disconnected billing'),
      )
    t.match(ended, [{ principal: 'admin', outcome: 'success' }])
  })
}
