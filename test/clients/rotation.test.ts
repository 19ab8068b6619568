import { join } from 'node:path'
import t from 'tap'
import { lifeKnown } from '../support/lease-life.ts'
import { integrateConnected } from '../support/refresh-tokens.ts'
import { startClient } from './client-process.ts'
import { startClientWorld } from './client-world.ts'
import { NODE } from './toolchains/node.ts'

const ROUNDS = 3

t.test('a client that loses rotated refresh tokens works while they rotate', async (t) => {
  const world = await startClientWorld(t)
  const { simulator, call } = world
  const { clientId } = await integrateConnected({ simulator, call }, 'crm')
  const key = await world.makeKey('crm-sync', ['crm'])
  const front = await world.front(t)
  const client = await startClient(t, {
    command: NODE.command(join('examples/clients', 'node/jsforce-refresh-token.mjs')),
    env: {
      ...NODE.env(world.caFile),
      VALETKEY_URL: front.url,
      VALETKEY_KEY_ID: key.id,
      VALETKEY_KEY: key.key,
      VALETKEY_INTEGRATION: 'crm',
    },
  })
  await client.begun()
  for (let round = 1; round <= ROUNDS; round += 1) {
    await lifeKnown(call, 'crm')
    simulator.endSessions({ clientId })
    await client.next()
    t.equal(client.lines().length, round + 1, client.output())
  }
  t.equal(await client.finish(), 0, client.output())

  const presented = simulator
    .tokenRequests()
    .filter((request) => request.clientId === clientId)
    .map(({ form }) => form?.refresh_token)
  t.equal(presented.length, ROUNDS + 1)
  t.equal(new Set(presented).size, presented.length, 'each refresh token was presented once')
  const { body } = await call('GET', '/integrations/crm')
  t.match(body.status.connection, { state: 'connected' })
})
