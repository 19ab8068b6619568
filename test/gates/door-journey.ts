/** The front doors, with a secret in each place where a client may put one. */
import { canary } from '../support/canaries.ts'
import type { createWitness, Scene } from './secret-journeys.ts'

type Witness = ReturnType<typeof createWitness>

const FORM = 'application/x-www-form-urlencoded'
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const CLIENT_ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const DOOR = '/login/jwt-bearer/services/oauth2'

/** Each field holds a valid key, then one that is none, then one whose permission is for another integration. */
export async function runDoors(call: Witness, { canaries }: Scene): Promise<void> {
  const made = async (name: string, integrations: readonly string[]) =>
    (
      await call('POST', '/api-keys', {
        body: { name, permissions: ['tokens:read'], integrations },
      })
    ).body as { readonly id: string; readonly key: string }
  const good = await made('door', ['jwt-bearer'])
  const elsewhere = await made('elsewhere', ['made'])
  const wrong = { ...good, key: `${good.key.slice(0, -1)}${good.key.endsWith('0') ? '1' : '0'}` }
  canaries.push(canary('API key', wrong.key))
  const post = (path: string, form: Readonly<Record<string, string>>, authorization?: string) =>
    call('POST', path, {
      body: new URLSearchParams(form).toString(),
      ...{ type: FORM, authorization: authorization ?? null },
    })
  const soap = (
    path: string,
    operation: string,
    parameters: Readonly<Record<string, string>>,
    session = '',
  ) => {
    const inner = Object.entries(parameters).map(([name, text]) => `<${name}>${text}</${name}>`)
    const header = `<s:Header><SessionHeader><sessionId>${session}</sessionId></SessionHeader></s:Header>`
    const body = `<s:Body><${operation} xmlns="urn:partner.soap.sforce.com">${inner.join('')}</${operation}></s:Body>`
    const envelope = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">${header}${body}</s:Envelope>`
    return call('POST', path, { body: envelope, type: 'text/xml', authorization: null })
  }
  const get = (path: string, authorization: string | null = null) =>
    call('GET', path, { authorization })

  for (const { id, key } of [good, wrong, elsewhere]) {
    const basic = `Basic ${Buffer.from(`${id}:${key}`).toString('base64')}`
    const bearer = `Bearer ${key}`
    const client = { client_id: id, client_secret: key }
    const credentials = { grant_type: 'client_credentials' }
    for (const path of [`${DOOR}/token`, '/services/oauth2/token']) {
      await post(path, { ...credentials, ...client })
      await post(path, credentials, basic)
      await post(path, credentials, bearer)
      await post(path, { grant_type: 'password', username: 'jwt-bearer', password: key })
      const password = `${key}SecurityToken`
      await post(path, { grant_type: 'password', username: 'jwt-bearer', password })
      await post(path, { grant_type: 'refresh_token', client_id: id, refresh_token: key })
      await post(path, { grant_type: JWT_BEARER, assertion: key })
      await post(path, {
        ...{ ...credentials, client_assertion: key, client_assertion_type: CLIENT_ASSERTION },
      })
      await post(path, { ...client, grant_type: key })
      await post(path, { ...client, ...credentials, scope: `integration:${key}` })
      for (const member of ['client_secret', 'password', 'refresh_token', 'assertion', 'x']) {
        await post(`${path}?${member}=${encodeURIComponent(key)}`, credentials)
      }
      await call('POST', path, { body: { ...client, ...credentials }, authorization: null })
      await call('POST', path, { body: key, type: 'text/plain', authorization: null })
    }
    for (const place of ['/login/jwt-bearer', '']) {
      for (const api of ['u', 'c']) {
        const path = `${place}/services/Soap/${api}/60.0`
        await soap(path, 'login', { username: 'jwt-bearer', password: key })
        await soap(path, 'login', { username: 'jwt-bearer', password: `${key}SecurityToken` })
        await soap(path, 'login', { username: key, password: key })
        await soap(path, key, { username: 'jwt-bearer', password: key })
        await soap(path, 'logout', {}, key)
        await call('POST', path, { body: `<a>${key}</a`, type: 'text/xml', authorization: null })
      }
      await soap(`${place}/services/Soap/u/${key}`, 'login', { password: key })
    }
    await post('/oauth/token', { ...credentials, ...client, rejected: key })
    await post('/oauth/token', { ...credentials, ...client, [key]: 'x' })
    await post(`/oauth/token?client_secret=${key}`, credentials)
    await post(`/oauth/token?rejected=${key}`, { ...credentials, ...client })
    await get(`${DOOR}/userinfo`, bearer)
    await get(`${DOOR}/userinfo`, basic)
    await get(`${DOOR}/userinfo?access_token=${key}`)
    await get('/login/jwt-bearer/id/00D000000000001/005000000000001', bearer)
    await post(`${DOOR}/revoke`, { token: key })
    await post(`${DOOR}/revoke`, { ...client, token: key })
    await post(`${DOOR}/introspect`, { ...client, token: key })
    await get(`${DOOR}/revoke?token=${key}`)
    await get(`/login/jwt-bearer/services/data/v60.0/query?q=SELECT&token=${key}`, bearer)
    await get(`/login/${key}/services/oauth2/userinfo`, bearer)
  }

  const client = { client_id: good.id, client_secret: good.key }
  const { body } = await call('GET', '/tokens/jwt-bearer')
  const token: string = body.access_token
  const inUrl = encodeURIComponent(token)
  for (const place of [DOOR, '/services/oauth2']) {
    await get(`${place}/revoke?token=${inUrl}`)
    await get(`${place}/revoke/?token=${inUrl}`)
    await post(`${place}/revoke?token=${inUrl}`, {})
    await post(`${place}/revoke`, { token })
    await post(`${place}/introspect`, { ...client, token })
    await post(`${place}/introspect?token=${inUrl}`, client)
    await get(`${place}/userinfo`, `Bearer ${token}`)
    await get(`${place}/userinfo?access_token=${inUrl}`)
    await post(`${place}/userinfo`, { access_token: token })
  }
  await soap('/login/jwt-bearer/services/Soap/u/60.0', 'logout', {}, token)
  // A loop, which is told to people.
  for (let i = 0; i < 25; i += 1) {
    await post(`${DOOR}/token`, { grant_type: 'client_credentials', ...client })
  }
}
