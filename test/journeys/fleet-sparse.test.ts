/** Sparse traffic: a replica is not asked between another's refresh and the end of the store. */
import t from 'tap'
import { SPARSE_LIVES, sparseRefresh } from '../../bench/cases/sparse-refresh.ts'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'

t.test('leases that another replica refreshed serve on when the store dies', async (t) => {
  const fleet = await startFleet(t, { replicas: 2, settings: SPARSE_LIVES })
  const { answers, dead } = await sparseRefresh(fleet, 8)
  t.same(
    answers.map(({ status, body }) => body.code ?? status),
    Array.from({ length: 16 }, () => 200),
  )
  t.equal(dead, 0)
})

t.test('a token that was revoked elsewhere does not serve on when the store dies', async (t) => {
  const fleet = await startFleet(t, { replicas: 2, settings: SPARSE_LIVES })
  const app = await fleet.integrate('revoked')
  const [one, other] = [fleet.replica(0), fleet.replica(1)]
  const first = (await one.call('GET', '/tokens/revoked')).body.access_token
  t.equal((await other.call('GET', '/tokens/revoked')).body.access_token, first)
  const limited = { name: 'witness', permissions: ['tokens:read'], integrations: ['*'] }
  const { key, id } = (await one.call('POST', '/api-keys', { body: limited })).body
  const witness = async () => (await other.call('GET', '/whoami', { key })).status
  t.equal(await witness(), 200)
  await eventually(() => fleet.mints(app) > 1)
  t.equal((await one.call('DELETE', '/tokens/revoked')).status, 204)
  t.equal((await one.call('DELETE', `/api-keys/${id}`)).status, 204)
  // What it hears comes in order.
  await eventually(async () => (await witness()) === 401)
  await fleet.redis.stop()
  for (const { call } of [one, other]) {
    const { status, body } = await call('GET', '/tokens/revoked')
    if (status === 200) t.not(body.access_token, first)
    else t.equal(status, 503)
  }
})
