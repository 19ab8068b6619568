import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startIssuer } from '../support/issuer.ts'

const HOME = '203.0.113.7'
const AWAY = '198.51.100.7'
const networks = ['203.0.113.0/24', '2001:db8::/32']

t.test('a key with networks is unknown from elsewhere, at every door', async (t) => {
  const { call, logs, audit } = await startBroker(t, {
    loginHosts: [],
    env: { VALETKEY_TRUST_PROXY: '127.0.0.1/32' },
  })
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
  const made = await call('POST', '/api-keys', {
    body: {
      ...{ name: 'camel', permissions: ['tokens:read', 'api-keys:write'], networks },
      integrations: ['billing'],
    },
  })
  t.match(made, { status: 201, body: { networks } })
  const { key, id } = made.body
  t.same((await call('GET', '/api-keys')).body.items[0].networks, networks)

  for (const address of [HOME, '2001:db8::1', `::ffff:${HOME}`]) {
    const { status, body } = await call('GET', '/whoami', { key, ...from(address) })
    t.equal(status, 200, address)
    t.equal(body.permissions[0].permission, 'tokens:read')
  }
  const withPort = await call('GET', '/whoami', { key, ...from(`${HOME}:52011`) })
  t.equal(withPort.status, 401, 'an entry with a port is no address')
  const absent = await call('GET', '/whoami', { key: `${key.slice(0, -1)}_`, ...from(AWAY) })
  const away = await call('GET', '/whoami', { key, ...from(AWAY) })
  t.equal(away.status, 401)
  t.same(
    { ...away.body, instance: '', request_id: '' },
    { ...absent.body, instance: '', request_id: '' },
    'as an unknown key',
  )
  t.equal((await call('GET', '/gateway/billing', { key, ...from(AWAY) })).status, 401)
  const body = new URLSearchParams({
    ...{ grant_type: 'client_credentials', client_id: id, client_secret: key },
    scope: 'integration:billing',
  }).toString()
  const login = (path: string, address: string) =>
    call('POST', path, {
      ...{ key: null, body },
      headers: { ...from(address).headers, 'content-type': 'application/x-www-form-urlencoded' },
    })
  for (const path of ['/oauth/token', '/login/billing/services/oauth2/token']) {
    const answer = await login(path, AWAY)
    t.match(JSON.stringify(answer.body), 'caller_unauthenticated', path)
    const known = await login(path, HOME)
    t.match(JSON.stringify(known.body), 'integration_not_found', path)
  }
  t.match(JSON.stringify(logs()), 'KEY_OUTSIDE_NETWORKS')
  t.notMatch(JSON.stringify([logs(), audit()]), key)
  const denied = () => audit().filter(({ detail }) => detail?.reason === 'outside_networks')
  await eventually(() => denied().length === 5)
  for (const line of denied()) {
    t.match(line, { principal: 'api-key:camel', detail: { api_key: id } })
  }
  t.same(
    denied().map(({ integration, detail }) => [detail?.address, integration]),
    [
      [`${HOME}:52011`, null],
      [AWAY, null],
      [AWAY, 'billing'],
      [AWAY, null],
      [AWAY, 'billing'],
    ],
  )
})

t.test('a key with networks makes none that counts elsewhere', async (t) => {
  const { call } = await startBroker(t, { loginHosts: [] })
  const body = {
    ...{ permissions: ['tokens:read', 'api-keys:write'], integrations: ['billing'] },
    networks: ['127.0.0.0/8', '::1'],
  }
  const { key } = (await call('POST', '/api-keys', { body: { name: 'a', ...body } })).body
  const make = (change: object) =>
    call('POST', '/api-keys', { key, body: { ...body, name: 'b', ...change } })
  for (const others of [undefined, ['0.0.0.0/0'], ['127.0.0.0/8', '10.0.0.1']]) {
    t.match(await make({ networks: others }), { status: 403, body: { code: 'caller_forbidden' } })
  }
  t.equal((await make({ networks: ['127.0.0.0/8'] })).status, 201)
  const wrong = await make({ networks: ['127.0.0.0/8', 'localhost'] })
  t.match(wrong, { status: 400, body: { code: 'request_invalid' } })
  t.match(wrong.body.detail, 'body/networks/1')
  for (const networks of [[], 'all', [7]]) t.equal((await make({ networks })).status, 400)
})

t.test('a caller of the file with networks is a stranger from elsewhere', async (t) => {
  const idp = await startIssuer()
  t.teardown(() => idp.stop())
  const dir = mkdtempSync(join(tmpdir(), 'valetkey-config-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const config = join(dir, 'valetkey.yaml')
  const caller = {
    ...{ name: 'billing', match: { issuer: idp.issuer }, networks },
    ...{ permissions: ['tokens:read', 'api-keys:write'], integrations: ['billing'] },
  }
  const issuers = [{ issuer: idp.issuer, audience: 'valetkey' }]
  writeFileSync(config, stringify({ issuers, callers: [caller] }))
  const { call, logs, audit } = await startBroker(t, {
    loginHosts: [],
    env: { VALETKEY_CONFIG: config, VALETKEY_TRUST_PROXY: '127.0.0.1/32' },
  })
  const key = await idp.sign()
  const from = (address: string) => ({ key, headers: { 'x-forwarded-for': address } })
  const wrong = await call('GET', '/tokens/billing', {
    ...from(AWAY),
    key: `${key.slice(0, -4)}AAAA`,
  })
  for (const home of [HOME, `::ffff:${HOME}`, '2001:db8::7']) {
    t.match(await call('GET', '/whoami', from(home)), {
      status: 200,
      body: { name: 'billing', permissions: [{ networks }, { networks }] },
    })
    const away = await call('GET', '/tokens/billing', from(AWAY))
    t.equal(away.status, 401)
    t.equal(away.headers.get('www-authenticate'), wrong.headers.get('www-authenticate'))
    t.same({ ...away.body, request_id: '' }, { ...wrong.body, request_id: '' }, 'as a wrong token')
  }
  const made = (more: object) =>
    call('POST', '/api-keys', {
      ...from(HOME),
      body: { name: 'b', permissions: ['tokens:read'], integrations: ['billing'], ...more },
    })
  t.equal((await made({})).status, 403, 'no key counts where its maker does not')
  t.equal((await made({ networks })).status, 201)
  // A thief who is held up for his guesses is still seen.
  for (let guess = 0; guess < 20; guess += 1) {
    await call('GET', '/whoami', { ...from(AWAY), key: `vk_${guess}` })
  }
  t.equal((await call('GET', '/tokens/billing', from(AWAY))).status, 429)
  const denied = () => audit().filter(({ detail }) => detail?.reason === 'outside_networks')
  await eventually(() => denied().length === 4)
  for (const line of denied()) {
    t.match(line, {
      ...{ principal: `jwt:${idp.issuer}#billing`, integration: 'billing', outcome: 'denied' },
      ...{ action: 'request.denied', detail: { address: AWAY } },
    })
  }
  t.match(logs(), 'TOKEN_OUTSIDE_NETWORKS')
  t.notMatch(JSON.stringify([logs(), audit()]), key)
})
