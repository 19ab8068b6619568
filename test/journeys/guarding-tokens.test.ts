/** What a caller may do to a token that is not its own: nothing; and where a token goes when it ends. */
import t, { type Test } from 'tap'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { guarded } from './guarded-world.ts'
import { clientCredentials, jwtBearer } from './salesforce-world.ts'

const ANY = { 'if-match': '*' }

t.test("the id of another integration's token rejects nothing", async (t) => {
  const { broker, put, keyFor, live } = await guarded(t)
  await put('own', clientCredentials)
  await put('other', jwtBearer)
  const key = await keyFor('reader', ['tokens:read'], ['own'])
  const { access_token: token, token_id: id } = (await broker.call('GET', '/tokens/other')).body

  const first = await broker.call('GET', `/tokens/own?rejected=${id}`, { key })
  t.match(first, { status: 200, body: { integration: 'own' } }, 'a mint, where there is no lease')
  const second = await broker.call('GET', `/tokens/own?rejected=${id}`, { key })
  t.match(second, { status: 200, body: { token_id: first.body.token_id } }, 'else the lease')
  t.equal((await broker.call('GET', '/tokens/other')).body.token_id, id, 'nobody was touched')
  t.ok(live().includes(token))
  t.same(
    broker.audit().filter(({ action }) => action === 'token.revoked'),
    [],
  )
})

t.test('what shares a token loses it with a rejection of its own, which is audited', async (t) => {
  const { broker, simulator, put } = await guarded(t)
  const { app, body } = await put('twin-a', clientCredentials)
  await broker.call('PUT', '/integrations/twin-b', { body })
  const { token_id: id } = (await broker.call('GET', '/tokens/twin-a')).body
  t.equal((await broker.call('GET', '/tokens/twin-b')).body.token_id, id)
  for (const name of ['twin-a', 'twin-b']) await lifeKnown(broker.call, name)
  simulator.endSessions({ clientId: app.clientId })
  const next = await broker.call('GET', `/tokens/twin-a?rejected=${id}`)
  t.equal(next.status, 200)
  t.not(next.body.token_id, id)
  t.not((await broker.call('GET', '/tokens/twin-b')).body.token_id, id)
  const lines = () => broker.audit().filter(({ action }) => action === 'token.revoked')
  await eventually(() => lines().length >= 2)
  t.match(
    lines().map(({ integration, token_id, detail }) => ({ integration, token_id, detail })),
    ['twin-a', 'twin-b'].map((integration) => ({
      ...{ integration, token_id: id },
      detail: { reason: 'rejected' },
    })),
  )
})

/** An integration whose token was minted at one host, and which names another one now. */
async function moved(t: Test) {
  const salesforce = await guarded(t)
  const { simulator, broker, put } = salesforce
  const { body } = await put('billing', jwtBearer)
  const { access_token: token, token_id: id } = (await broker.call('GET', '/tokens/billing')).body
  const { sandbox } = simulator.origins
  const patched = await broker.call('PATCH', '/integrations/billing', {
    body: { login_url: sandbox, credential: body.credential },
    headers: ANY,
  })
  t.equal(patched.status, 200, JSON.stringify(patched.body))
  simulator.clear()
  const revocations = () =>
    simulator.log
      .filter(({ endpoint }) => endpoint === 'revoke')
      .map(({ host }) => `http://${host}`)
  return { ...salesforce, token, id, revocations }
}

for (const [method, path] of [
  ['DELETE', '/tokens/billing'],
  ['DELETE', '/integrations/billing'],
] as const) {
  t.test(`${method} ${path} ends a token at the host that issued it`, async (t) => {
    const { simulator, broker, token, live, revocations } = await moved(t)
    t.ok(live().includes(token))
    t.equal((await broker.call(method, path, { headers: ANY })).status, 204)
    t.same(revocations(), [simulator.origins.myDomain])
    t.notOk(live().includes(token), 'and it is dead there')
  })
}

t.test('a token that its host does not end now is queued for that host, and said so', async (t) => {
  const { simulator, broker, token, id, live, revocations, pass } = await moved(t)
  const fault = simulator.addFault({ kind: 'html', endpoint: 'revoke', times: 1_000 })
  t.equal((await broker.call('DELETE', '/tokens/billing')).status, 204)
  t.match(
    broker.audit().find(({ action }) => action === 'token.revoked'),
    {
      ...{ integration: 'billing', token_id: id, outcome: 'failed' },
      detail: { reason: 'salesforce_unavailable' },
    },
  )
  t.ok(live().includes(token))
  fault.remove()
  pass(11_000)
  t.ok(await eventually(() => !live().includes(token), 10_000), 'it is ended later')
  t.same(new Set(revocations()), new Set([simulator.origins.myDomain]))
})
