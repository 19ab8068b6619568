/** The name of an integration whose token another one exchanges: no answer shows it to callers who may not read that integration. */
import t, { type Test } from 'tap'
import type { CallOptions } from '../support/caller.ts'
import { guarded } from './guarded-world.ts'

const SOURCE = 'zq7-improbable-xv'
const ANY = { 'if-match': '*' }
const WORK = ['tokens:read', 'integrations:test', 'credentials:write'] as const

/** `mine` exchanges the token of a source that is not connected, and `far` that of `mine`. */
async function world(t: Test) {
  const salesforce = await guarded(t)
  const { broker, simulator, put, keyFor } = salesforce
  await put(SOURCE, () => {
    const app = simulator.addRefreshTokenApp()
    const grant = { type: 'refresh_token', client_id: app.clientId }
    const credential = { client_secret: app.clientSecret }
    return { app, body: { login_url: app.loginUrl, grant, credential } }
  })
  const exchange = (name: string, integration: string) =>
    put(name, () => {
      const app = simulator.addTokenExchangeApp()
      const grant = {
        ...{ type: 'token_exchange', client_id: app.clientId, token_handler: 'Handler' },
        subject_token: { integration },
      }
      const credential = { client_secret: app.clientSecret }
      return { app, body: { login_url: app.loginUrl, grant, credential } }
    })
  const { app } = await exchange('mine', SOURCE)
  await exchange('far', 'mine')
  /** All of an answer, but for the path that was asked for. */
  const saidTo = async (key: string, method: string, path: string, options: CallOptions = {}) => {
    const { status, headers, body } = await broker.call(method, path, { key, ...options })
    return { status, body, text: JSON.stringify([[...headers], body]) }
  }
  return { ...salesforce, app, saidTo, keyFor }
}

t.test('a problem at an unconnected source names it to those alone who may read it', async (t) => {
  const { broker, app, saidTo, keyFor } = await world(t)
  const blind = await keyFor('blind', WORK, ['mine'])
  const seeing = await keyFor('seeing', [...WORK, 'integrations:read'], ['mine', SOURCE])
  const credential = { client_secret: `${app.clientSecret}-next` }
  const staged = await broker.call('POST', '/integrations/mine/credentials', { body: credential })
  t.equal(staged.status, 201, JSON.stringify(staged.body))
  const activate = `/integrations/mine/credentials/${staged.body.id}/activate`
  const asked = [
    ['GET', '/tokens/mine', {}],
    ['POST', '/tokens/mine/check', { body: { seen: { status: 401 } } }],
    ['POST', activate, { headers: ANY, body: {} }],
  ] as const
  for (const [method, path, options] of asked) {
    const hidden = await saidTo(blind, method, path, options)
    t.match(hidden, { status: 409, body: { code: 'integration_not_connected' } }, path)
    t.match(hidden.body, { detail: /^At the integration whose token/, remedy: /connections/ }, path)
    t.notOk(hidden.text.includes(SOURCE), `${path} names no source`)
    const shown = await saidTo(seeing, method, path, options)
    t.equal(shown.body.source, SOURCE, path)
    t.match(shown.body.detail, SOURCE, path)
  }
})

t.test('nor does the report of the doctor', async (t) => {
  const { saidTo, keyFor } = await world(t)
  const blind = await keyFor('blind', WORK, ['mine'])
  const seeing = await keyFor('seeing', [...WORK, 'integrations:read'], ['mine', SOURCE])
  const path = '/integrations/mine/test'
  const hidden = await saidTo(blind, 'POST', path)
  const mint = { check: 'mint', outcome: 'failed', detail: /^At the integration whose token/ }
  const found = hidden.body.checks.find(({ check }: { check: string }) => check === 'mint')
  t.match(found, mint)
  t.notOk(hidden.text.includes(SOURCE))
  t.ok((await saidTo(seeing, 'POST', path)).text.includes(SOURCE))
})

t.test('nor does the form of OAuth', async (t) => {
  const { broker } = await world(t)
  const ask = async (name: string, permissions: readonly string[], integrations: string[]) => {
    const body = { name, permissions, integrations }
    const made = (await broker.call('POST', '/api-keys', { body })).body
    const form = new URLSearchParams({
      ...{ grant_type: 'client_credentials', scope: 'integration:mine' },
      ...{ client_id: made.id, client_secret: made.key },
    })
    const answer = await broker.call('POST', '/oauth/token', {
      ...{ key: null, body: form.toString() },
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    return JSON.stringify([[...answer.headers], answer.body])
  }
  const hidden = await ask('blind', ['tokens:read'], ['mine'])
  t.match(hidden, 'integration_not_connected')
  t.notOk(hidden.includes(SOURCE))
  const shown = await ask('seeing', ['tokens:read', 'integrations:read'], ['mine', SOURCE])
  t.ok(shown.includes(SOURCE))
})

t.test('nor does a problem that came through a source in between', async (t) => {
  const { saidTo, keyFor } = await world(t)
  const key = await keyFor('near', ['tokens:read', 'integrations:read'], ['far', 'mine'])
  const token = await saidTo(key, 'GET', '/tokens/far')
  t.match(token.body, { code: 'integration_not_connected', source: 'mine' })
  t.notOk(token.text.includes(SOURCE))
  const status = await saidTo(key, 'GET', '/integrations/far')
  t.match(status.body.status.last_refusal, { code: 'integration_not_connected' })
  t.notOk(status.text.includes(SOURCE))
})
