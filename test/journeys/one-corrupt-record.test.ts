/** One record that cannot be used keeps nothing back but itself: lists, the audit and what is accepted for many go on. */
import { Redis } from 'ioredis'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { listingAtRest } from '../support/listing.ts'
import { startRedis } from '../support/redis.ts'

const base = 'vk:{vk}:'

t.test('what concerns many goes on without the one', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const raw = new Redis(redis.url)
  t.teardown(() => raw.disconnect())
  const { myDomain } = simulator.origins
  const { call } = await startBroker(t, { loginHosts: [myDomain], redisUrl: redis.url })
  const names = ['bad', 'good', 'spoilt']
  for (const name of names) {
    const app = simulator.addClientCredentialsApp()
    const body = {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
      labels: { team: 'a' },
    }
    t.equal((await call('PUT', `/integrations/${name}`, { body })).status, 201)
    t.equal((await call('GET', `/tokens/${name}`)).status, 200)
  }
  const orgId = (await call('GET', '/integrations/good')).body.status.identity.org_id
  const made = await call('POST', '/api-keys', {
    body: {
      name: 'a',
      permissions: ['integrations:read', 'audit:read'],
      integrations: ['*'],
      labels: { team: 'a' },
    },
  })
  const { key } = made.body
  await eventually(async () => (await raw.exists(`${base}d:subject:bad`)) === 1)
  // What is written of `bad` later is indexed as unusable, and then its labels are not known.
  for (const name of names) await lifeKnown(call, name)
  await listingAtRest(redis.port)

  await raw.hset(`${base}d:subject:bad`, { body: '{}' })
  for (const by of [{}, { key }]) {
    const list = await call('GET', '/integrations', by)
    t.match(list, { status: 200, body: { items: [{ name: 'good' }, { name: 'spoilt' }] } })
    t.same(list.body.corrupt, ['bad'], 'whoever may see it')
    const page = await call('GET', '/integrations?limit=1', by)
    t.match(page, { status: 200, body: { items: [{ name: 'good' }], corrupt: ['bad'] } })
  }
  t.match(await call('GET', '/integrations/bad'), { status: 503, body: { code: 'record_corrupt' } })

  await raw.hset(`${base}d:identity:bad`, { body: '{}' })
  const move = { from_org_id: orgId, to_org_id: `00D${'9'.repeat(12)}` }
  const accepted = await call('POST', '/identities/accept', { body: move })
  t.match(accepted, {
    status: 200,
    body: { items: [{ integration: 'good' }, { integration: 'spoilt' }] },
  })

  await raw.hset(`${base}i:spoilt`, { definition: '{}' })
  const audit = await call('GET', '/audit?action=integration.created', { key })
  t.equal(audit.status, 200)
  t.same(
    audit.body.items.map(({ integration }: { integration: string }) => integration),
    ['good', 'bad'],
  )
})
