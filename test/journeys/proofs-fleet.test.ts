/** Proofs of two replicas: one key, one nonce of the token endpoint, one token, and one set of callers. */
import t from 'tap'
import { DEFAULT_SETTINGS } from '../../simulator/settings.ts'
import { createCaller } from '../support/caller.ts'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { claimsOf, REQUESTS } from './proofs-world.ts'

const fleet = await startFleet(t, { replicas: 2 })
const { simulator } = fleet
const app = await fleet.integrate('bound', { members: { dpop: { mode: 'on' } } })
simulator.updateApp(app.clientId, { dpopRequired: true })
const body = { name: 'prover', permissions: ['tokens:prove'], integrations: ['bound'] }
const made = await fleet.call('POST', '/api-keys', { body: { ...body, requests: REQUESTS } })
const query = { method: 'GET', url: `${app.loginUrl}/services/data/v66.0/query` }

const prove = (at: number, more: object = {}) =>
  createCaller(fleet.replica(at).url, made.body.key)('POST', '/tokens/bound/proofs', {
    body: { requests: [query], ...more },
  })
const send = async (token: string, proof: string): Promise<number> => {
  const headers = { authorization: `DPoP ${token}`, dpop: proof }
  const answer = await fetch(query.url, { headers, redirect: 'error' })
  await answer.text()
  return answer.status
}

t.test('the token of one replica gets proofs from the other, by the same key', async (t) => {
  const [one, other] = [await prove(0), await prove(1)]
  t.equal(other.body.token_id, one.body.token_id)
  const [first, second] = [one.body.proofs[0], other.body.proofs[0]]
  t.equal(second.split('.')[0], first.split('.')[0], 'the same key')
  t.not(claimsOf(second).jti, claimsOf(first).jti)
  t.equal(await send(one.body.access_token, second), 200)
  t.equal(await send(other.body.access_token, first), 200)
})

t.test('the nonce of a login is in the next proofs of the other replica', async (t) => {
  const dpop = { ...DEFAULT_SETTINGS.dpop, resourceNonce: 'required' as const }
  simulator.configure({ dpop })
  t.teardown(() => simulator.configure({ dpop: DEFAULT_SETTINGS.dpop }))
  const { nonce } = claimsOf((await prove(0)).body.proofs[0])
  t.type(nonce, 'string')
  const given = await eventually(async () => {
    const answer = await prove(1)
    return claimsOf(answer.body.proofs[0]).nonce === nonce && answer.body
  })
  t.equal(await send(given.access_token, given.proofs[0]), 200)
})

t.test('a token that Salesforce refused is replaced for both', async (t) => {
  const { token_id } = (await prove(1)).body
  await lifeKnown(fleet.call, 'bound')
  t.ok(simulator.endSessions() > 0)
  const asked = simulator.tokenRequests().length
  const [one, other] = await Promise.all([
    prove(0, { rejected: token_id }),
    prove(1, { rejected: token_id }),
  ])
  t.equal(one.body.token_id, other.body.token_id)
  t.not(one.body.token_id, token_id)
  for (const given of [one.body, other.body]) {
    t.equal(await send(given.access_token, given.proofs[0]), 200)
  }
  const outcomes = simulator
    .tokenRequests()
    .slice(asked)
    .map(({ outcome }) => outcome?.error)
  t.same(outcomes, [undefined], 'one login')
})

t.test('callers show what both replicas signed', async (t) => {
  const asked = await eventually(async () => {
    const all = await Promise.all(
      fleet.replicas.map(({ call }) => call('GET', '/integrations/bound/callers')),
    )
    const counts = all.map((answer) => answer.body.items[0]?.requests?.[0]?.count)
    return counts[0] === counts[1] && counts[0] >= 6 && all[0]?.body
  })
  const [caller] = asked.items
  t.equal(caller.principal, 'api-key:prover')
  t.match(caller.requests, [
    { method: 'GET', path: '/services/data/*/query', outcome: 'permitted' },
  ])
})

t.test('a key that one replica deleted gets no proof from the other', async (t) => {
  t.equal((await fleet.call('DELETE', `/api-keys/${made.body.id}`)).status, 204)
  t.match(await prove(1), { status: 401 })
  for (const { output } of fleet.replicas) t.notMatch(output(), /"level":"error"|PRIVATE KEY/)
})
