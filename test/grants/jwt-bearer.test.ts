import { decodeProtectedHeader, jwtVerify } from 'jose'
import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { defaultAudience, jwtBearer } from '../../src/grants/jwt-bearer.ts'
import { json } from '../http/listener.ts'
import { CLIENT_ID, fixture, makeKey, NOW, problemOf, TOKEN } from './fixture.ts'

const settings = { type: 'jwt_bearer', username: 'billing@acme.com' } as const

t.test('signs exactly the claims that Salesforce wants, with keys of both kinds', async (t) => {
  const key = makeKey()
  const { context, loginUrl, signal, server } = await fixture(t, json(TOKEN))
  for (const privateKey of [key.pkcs8, key.pkcs1]) {
    const credential = { type: 'certificate', privateKey } as const
    await jwtBearer.request(
      { loginUrl, settings, clientId: CLIENT_ID, credential, signal },
      context,
    )
  }
  t.equal(server.requests.length, 2)
  for (const [index, request] of server.requests.entries()) {
    t.equal(request.url, '/services/oauth2/token', 'nothing in the query string')
    t.equal(request.headers.authorization, undefined)
    const { assertion = '', ...rest } = Object.fromEntries(new URLSearchParams(request.body))
    t.same(rest, { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' })
    t.same(decodeProtectedHeader(assertion), { alg: 'RS256' })
    const { payload } = await jwtVerify(assertion, key.publicKey, { currentDate: new Date(NOW) })
    t.same(payload, {
      iss: CLIENT_ID,
      sub: 'billing@acme.com',
      aud: 'https://login.salesforce.com',
      exp: NOW / 1_000 + 150,
      jti: `id-${index + 1}`,
    })
  }
})

t.test('sends the audience that is set', async (t) => {
  const key = makeKey()
  const { context, loginUrl, signal, server } = await fixture(t, json(TOKEN))
  const audience = 'https://acme.my.site.com/customers'
  await jwtBearer.request(
    {
      loginUrl,
      settings: { ...settings, audience },
      clientId: CLIENT_ID,
      credential: { type: 'certificate', privateKey: key.pkcs8 },
      signal,
    },
    context,
  )
  const assertion = new URLSearchParams(server.requests[0]?.body).get('assertion') ?? ''
  const { payload } = await jwtVerify(assertion, key.publicKey, { currentDate: new Date(NOW) })
  t.equal(payload.aud, audience)
})

t.test('takes the audience from the kind of org where none is set', async (t) => {
  for (const url of [
    'https://test.salesforce.com',
    'https://acme--uat.sandbox.my.salesforce.com',
    'https://acme--uat.sandbox.my.salesforce.mil',
    'https://acme--uat.sandbox.my.site.com/customers',
    'https://drivenfox-123.scratch.my.salesforce.com',
  ]) {
    t.equal(defaultAudience(url), 'https://test.salesforce.com', url)
  }
  for (const url of [
    'https://login.salesforce.com',
    'https://acme.my.salesforce.com',
    'https://sandbox.my.salesforce.com',
    'https://mytest.my.salesforce.com',
    'https://acme.my.site.com/sandbox.my',
    'https://acme.develop.my.salesforce.com',
    'http://127.0.0.1:8055',
  ]) {
    t.equal(defaultAudience(url), 'https://login.salesforce.com', url)
  }
})

t.test('asks Salesforce nothing with a credential that cannot sign', async (t) => {
  const { context, loginUrl, signal, server } = await fixture(t, json(TOKEN))
  const request = { loginUrl, settings, clientId: CLIENT_ID, signal }
  const broken = { type: 'certificate', privateKey: new Secret('planted, no key') } as const
  const unusable = await problemOf(jwtBearer.request({ ...request, credential: broken }, context))
  t.equal(unusable.code, 'credential_invalid')
  t.notMatch(unusable.detail, /planted/)
  const wrong = { type: 'client_secret', clientSecret: new Secret('x') } as const
  const problem = await problemOf(jwtBearer.request({ ...request, credential: wrong }, context))
  t.equal(problem.code, 'credential_required')
  t.equal(server.requests.length, 0)
})

t.test('says what it needs and for whom it asks', async (t) => {
  t.equal(jwtBearer.credentialType(settings), 'certificate')
  t.equal(jwtBearer.sendsCredential(settings), false)
  t.equal(jwtBearer.subject(settings), 'billing@acme.com')
})
