/** What becomes of a request for a token while its mint is under way. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { guarded } from './guarded-world.ts'
import { clientCredentials } from './salesforce-world.ts'

const ANY = { 'if-match': '*' }

t.test('a token goes to nobody who lost it while it was minted', async (t) => {
  const { broker, simulator, put } = await guarded(t)
  const { call } = broker
  const makeKey = async () => {
    const body = {
      ...{ name: `key-${randomUUID()}`, permissions: ['tokens:read'] },
      ...{ integrations: ['*'], labels: { team: 'a' } },
    }
    return (await call('POST', '/api-keys', { body })).body as { id: string; key: string }
  }
  const patch = (body: object) => async (name: string) =>
    call('PATCH', `/integrations/${name}`, { headers: ANY, body })
  const revoke = async (_name: string, id: string) => call('DELETE', `/api-keys/${id}`)
  const losses = {
    'labelled out of reach': { lose: patch({ labels: { team: 'b' } }), status: 403, oauth: 400 },
    'kept inside': { lose: patch({ serve_tokens: false }), status: 403, oauth: 400 },
    'a revoked key': { lose: revoke, status: 401, oauth: 401 },
  }
  for (const [what, { lose, status, oauth }] of Object.entries(losses)) {
    for (const isOAuth of [false, true]) {
      const name = `pending-${randomUUID().slice(0, 8)}`
      await put(name, clientCredentials, { labels: { team: 'a' } })
      const { id, key } = await makeKey()
      const held = simulator.addFault({ kind: 'hold', endpoint: 'token' })
      const form = { grant_type: 'client_credentials', scope: `integration:${name}` }
      const asked = isOAuth
        ? fetch(`${broker.url}/oauth/token`, {
            method: 'POST',
            headers: { authorization: `Basic ${Buffer.from(`${id}:${key}`).toString('base64')}` },
            body: new URLSearchParams(form),
          })
        : fetch(`${broker.url}/tokens/${name}`, { headers: { authorization: `Bearer ${key}` } })
      await eventually(() => held.holding() === 1)
      t.ok((await lose(name, id)).status < 300)
      held.remove()
      const answer = await asked
      t.equal(answer.status, isOAuth ? oauth : status, what)
      t.notMatch(await answer.text(), /access_token/)
    }
  }
})
