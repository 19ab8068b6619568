/** Tokens that work with proofs only, and a proof for each request that a caller may make. */
import { calculateJwkThumbprint, decodeProtectedHeader } from 'jose'
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { bind, claimsOf, proofsWorld } from './proofs-world.ts'
import { clientCredentials, jwtBearer, MINUTE_MS } from './salesforce-world.ts'

t.test('a request gets the token with a proof of its own, and Salesforce takes both', async (t) => {
  const { simulator, broker, prove, query, send, data } = await proofsWorld(t)
  const { status, headers, body } = await prove({ requests: [query, query] })
  t.match(
    { status, body },
    {
      status: 200,
      body: {
        ...{ integration: 'bound', token_type: 'DPoP', access_token: String },
        ...{ token_id: /^[\w-]{22}$/, instance_url: simulator.origins.myDomain },
        proofs: [String, String],
      },
    },
  )
  t.ok(body.expires_in > 0)
  t.equal(headers.get('cache-control'), 'no-store')
  const [one, other] = body.proofs
  t.equal((await send(query, body.access_token, one)).status, 200)
  t.equal((await send(query, body.access_token, other)).status, 200)
  const claims = [claimsOf(one), claimsOf(other)]
  t.match(claims[0], { htm: 'GET', htu: `${data}/query`, ath: String })
  t.not(claims[0]?.jti, claims[1]?.jti)
  t.ok(Math.abs(Number(claims[0]?.iat) - Date.now() / 1000) < 5, 'signed now')
  const lines = await eventually(() => {
    const found = broker.audit().filter(({ action }) => action === 'token.proved')
    return found.length === 2 ? found : undefined
  })
  for (const [at, line] of lines.entries()) {
    t.match(line, {
      ...{ principal: 'api-key:prover', integration: 'bound', token_id: body.token_id },
      ...{ outcome: 'success', request_id: headers.get('x-request-id') },
      detail: { method: 'GET', path: '/services/data/v66.0/query', jti: claims[at]?.jti },
    })
  }
  const told = broker.logs() + JSON.stringify(broker.audit())
  for (const secret of [body.access_token, one, 'SELECT']) t.notOk(told.includes(secret))
})

t.test('without requests it says where the token is good, and signs nothing', async (t) => {
  const { prove, broker } = await proofsWorld(t)
  t.match(await prove({ requests: [] }), { status: 200, body: { proofs: [], token_id: String } })
  t.notOk(broker.audit().some(({ action }) => action === 'token.proved'))
})

t.test('all requests of one call are permitted, or none is signed', async (t) => {
  const { prove, query, data, broker } = await proofsWorld(t)
  const other = (url: string, method = 'GET') => ({ method, url })
  const refused = [
    [other(`${data}/limits`), /none of those/],
    [other(`${data}/query`, 'DELETE'), /none of those/],
    [other(`${data}/query?_HttpMethod=PATCH`), /read in two ways/],
    [other(`${data}/x/../query`), /read in two ways/],
    [other(`${data}//query`), /read in two ways/],
    [other(`${data}%2Fquery`), /read in two ways/],
    [other('/services/data/v66.0/query'), /no URL of the form/],
    [other(query.url.replace('://', '://user@')), /no URL of the form/],
    [other(`${data}/query#x`), /read in two ways/],
    [other('https://evil.example/services/data/v66.0/query'), /another host/],
    [other(`${data.replace(/:\d+/, ':1')}/query`), /another host/],
    [
      other(`${data.replace('/services/data/v66.0', '')}/services/oauth2/token`, 'POST'),
      /never|ever/,
    ],
  ] as const
  for (const [request, why] of refused) {
    const { status, body } = await prove({ requests: [query, request] })
    t.match({ status, body }, { status: 403, body: { code: 'request_not_allowed' } }, request.url)
    t.match(body.detail, why, request.url)
    t.match(body.detail, 'body/requests/1')
    t.notOk('access_token' in body)
  }
  t.notOk(broker.audit().some(({ action }) => action === 'token.proved'))
  const many = Array.from({ length: 21 }, () => query)
  t.match(await prove({ requests: many }), { status: 400, body: { code: 'request_invalid' } })
  t.match(await prove({ requests: many.slice(1) }), { status: 200 })
  t.match(await prove({ requests: [{ ...query, method: 'get' }] }), { status: 400 })
  t.match(await prove({ requests: [query], more: 1 }), { status: 400 })
  t.match(await prove({}), { status: 400 })
})

t.test('tokens:prove with requests is needed, and tokens:read does not do', async (t) => {
  const { prove, query, keyFor, broker } = await proofsWorld(t)
  const refused = { status: 403, body: { code: 'caller_forbidden' } }
  t.match(await prove({ requests: [query] }, { key: broker.adminKey }), refused, 'no patterns')
  const reader = await keyFor('reader', { permissions: ['tokens:read'] })
  t.match(await prove({ requests: [query] }, { key: reader }), refused)
  const elsewhere = await keyFor('elsewhere', { integrations: ['other'] })
  t.match(await prove({ requests: [query] }, { key: elsewhere }), refused)
  t.match(await prove({ requests: [query] }, { key: elsewhere, name: 'other' }), {
    status: 404,
    body: { code: 'integration_not_found' },
  })
  const labelled = await keyFor('labelled', { labels: { owner: 'x' } })
  t.match(await prove({ requests: [query] }, { key: labelled }), refused)
  t.match(await prove({ requests: [query] }, { key: labelled, name: 'bound' }), refused)
  t.match(await prove({ requests: [] }, { key: reader }), refused)
  const { call } = broker
  const body = { name: 'none', permissions: ['tokens:prove'], integrations: ['bound'] }
  const made = await call('POST', '/api-keys', { body })
  t.match(made, { status: 400, body: { code: 'request_invalid', detail: /body\/requests/ } })
  const prover = await keyFor('other-prover')
  t.match(await call('GET', '/tokens/bound', { key: prover }), { status: 403 })
  const view = await call('GET', '/whoami', { key: prover })
  t.match(view.body.permissions, [{ permission: 'tokens:prove', requests: [/^GET/, /^PATCH/] }])
  t.equal(view.body.permissions.length, 1, 'it reads no tokens')
})

t.test(
  'an older token is answered with the new one, and a rejected one with another',
  async (t) => {
    const { simulator, broker, prove, query, send } = await proofsWorld(t)
    const first = (await prove({ requests: [query] })).body
    await lifeKnown(broker.call, 'bound')
    t.ok(simulator.endSessions() > 0)
    t.equal((await send(query, first.access_token, first.proofs[0])).status, 401)
    const wanted = { requests: [query], token_id: first.token_id }
    const second = (await prove({ ...wanted, rejected: first.token_id })).body
    t.not(second.token_id, first.token_id)
    t.equal((await send(query, second.access_token, second.proofs[0])).status, 200)
    const third = (await prove(wanted)).body
    t.equal(third.token_id, second.token_id)
    t.equal((await send(query, third.access_token, third.proofs[0])).status, 200)
  },
)

t.test('a nonce of Salesforce counts for who hands it back', async (t) => {
  const { prove, query, send, configure, keyFor, pass } = await proofsWorld(t)
  for (const challengeStatus of [400, 401] as const) {
    configure({ resourceNonce: 'required', challengeStatus, nonceLifetimeMs: MINUTE_MS })
    const { body } = await prove({ requests: [query] })
    pass(2 * MINUTE_MS)
    const challenge = await send(query, body.access_token, body.proofs[0])
    t.equal(challenge.status, challengeStatus)
    const nonce = challenge.headers.get('dpop-nonce') ?? ''
    const again = (await prove({ requests: [query], nonce })).body
    t.equal(claimsOf(again.proofs[0]).nonce, nonce)
    t.equal((await send(query, again.access_token, again.proofs[0])).status, 200)
    const next = (await prove({ requests: [query] })).body
    t.equal(claimsOf(next.proofs[0]).nonce, nonce, 'it is remembered')
    const mischief = await keyFor(`mischief-${challengeStatus}`)
    const bogus = (await prove({ requests: [query], nonce: 'bogus' }, { key: mischief })).body
    t.equal(claimsOf(bogus.proofs[0]).nonce, 'bogus')
    const unharmed = (await prove({ requests: [query] })).body
    t.equal(claimsOf(unharmed.proofs[0]).nonce, nonce, 'another caller keeps its own')
    t.equal((await send(query, unharmed.access_token, unharmed.proofs[0])).status, 200)
  }
})

t.test('a nonce that came with the refusal of a token is older than the next token', async (t) => {
  const { simulator, broker, prove, query, send, configure } = await proofsWorld(t)
  configure({ resourceNonce: 'required', refusesWithNonce: true })
  const { body } = await prove({ requests: [query] })
  await lifeKnown(broker.call, 'bound')
  t.ok(simulator.endSessions() > 0)
  const refusal = await send(query, body.access_token, body.proofs[0])
  t.equal(refusal.status, 401)
  const nonce = refusal.headers.get('dpop-nonce')
  t.type(nonce, 'string')
  const wants = { rejected: body.token_id, nonce }
  const next = (await prove({ requests: [query], ...wants })).body
  t.equal((await send(query, next.access_token, next.proofs[0])).status, 200)
})

t.test('a rotation brings another key, and no call is missed', async (t) => {
  const salesforce = await proofsWorld(t)
  const { simulator, broker, prove, query, send, keyFor, configure } = salesforce
  const { call } = broker
  configure({ resourceNonce: 'required' })
  const clientId = await bind(salesforce, 'rotated', jwtBearer)
  const key = await keyFor('rotated', { integrations: ['rotated'] })
  /** As a service does it, with all that it may have to do again. Returns the key that was used. */
  const used = async (): Promise<string> => {
    let wants = {}
    for (let tries = 0; tries < 3; tries += 1) {
      const { body } = await prove({ requests: [query], ...wants }, { key, name: 'rotated' })
      const answer = await send(query, body.access_token, body.proofs[0])
      if (answer.status === 200)
        return calculateJwkThumbprint(decodeProtectedHeader(body.proofs[0]).jwk ?? {})
      const nonce = answer.headers.get('dpop-nonce')
      wants = nonce ? { nonce } : { rejected: body.token_id }
    }
    throw new Error('a call was missed')
  }
  const first = await used()
  await lifeKnown(call, 'rotated')
  const place = '/integrations/rotated/credentials'
  const staged = (await call('POST', place, { body: { generate: {} } })).body
  t.equal(await used(), first)
  simulator.updateApp(clientId, { certificatePem: staged.certificate.pem })
  t.equal(await used(), first, 'the token goes on with its key')
  t.equal((await call('POST', `${place}/${staged.id}/activate`, {})).status, 200)
  const activated = await used()
  t.ok(simulator.endSessions({ clientId }) > 0)
  const last = await used()
  t.not(last, first)
  t.ok([first, last].includes(activated))
})

t.test('where the token is not bound, there is nothing to prove', async (t) => {
  const { simulator, broker, prove, query, keyFor, configure } = await proofsWorld(t)
  const { body } = clientCredentials(simulator)
  await broker.call('PUT', '/integrations/plain', { body })
  const key = await keyFor('plain', { integrations: ['plain', 'unsupported'] })
  const unbound = { status: 409, body: { code: 'nothing_to_prove' } }
  t.match(await prove({ requests: [query] }, { key, name: 'plain' }), unbound)
  configure({ supported: false })
  const way = clientCredentials(simulator).body
  await broker.call('PUT', '/integrations/unsupported', { body: { ...way, dpop: { mode: 'on' } } })
  const answer = await prove({ requests: [query] }, { key, name: 'unsupported' })
  t.match(answer, unbound)
  t.notOk('access_token' in answer.body)
})

t.test('a thief gets nowhere with a part of it', async (t) => {
  const salesforce = await proofsWorld(t)
  const { simulator, broker, prove, query, send, data, keyFor } = salesforce
  await bind(salesforce, 'another')
  const { body } = await prove({ requests: [query] })
  const token = body.access_token
  const [proof] = body.proofs
  t.equal((await send(query, token, undefined, 'Bearer')).status, 401, 'the token alone')
  t.equal((await send(query, token, undefined)).status, 401, 'without a proof')
  const limits = { method: 'GET', url: `${data}/limits` }
  t.equal((await send(limits, token, proof)).status, 401, 'a proof for another path')
  t.equal((await send({ ...query, method: 'DELETE' }, token, proof)).status, 401)
  const key = await keyFor('another', { integrations: ['another'] })
  const other = (await prove({ requests: [query] }, { key, name: 'another' })).body
  t.equal((await send(query, token, other.proofs[0])).status, 401, 'a proof by another key')
  t.equal((await send(query, token, proof)).status, 200, 'the owner')
  t.equal((await send(query, token, proof)).status, 401, 'the same proof twice')

  const stolen = await keyFor('stolen')
  const refused = { status: 403, body: { code: 'request_not_allowed' } }
  t.match(await prove({ requests: [limits] }, { key: stolen }), refused)
  const refresh = { method: 'POST', url: `${simulator.origins.myDomain}/services/oauth2/token` }
  t.match(await prove({ requests: [refresh] }, { key: stolen }), refused)
  const denied = await eventually(() => {
    const found = broker.audit().filter(({ principal }) => principal === 'api-key:stolen')
    return found.length > 0 ? found : undefined
  })
  for (const line of denied) {
    t.match(line, {
      ...{ action: 'request.denied', outcome: 'denied', integration: 'bound' },
      detail: { reason: 'request_not_allowed', operation: 'proveRequests' },
    })
  }
  const { items } = (await broker.call('GET', '/api-keys')).body
  const { id } = items.find(({ name }: { readonly name: string }) => name === 'stolen')
  t.equal((await broker.call('DELETE', `/api-keys/${id}`)).status, 204)
  t.match(await prove({ requests: [query] }, { key: stolen }), { status: 401 }, 'cut off at once')
})
