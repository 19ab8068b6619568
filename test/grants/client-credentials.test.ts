import { jwtVerify } from 'jose'
import t, { type Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import {
  type ClientCredentialsSettings,
  clientCredentials,
} from '../../src/grants/client-credentials.ts'
import type { OpenCredential } from '../../src/grants/grant.ts'
import { json } from '../http/listener.ts'
import { CLIENT_ID, fixture, makeKey, NOW, problemOf, TOKEN } from './fixture.ts'

const SECRET = 'C1A2B3/+: %'
const clientSecret = { type: 'client_secret', clientSecret: new Secret(SECRET) } as const

async function send(t: Test, settings: ClientCredentialsSettings, credential: OpenCredential) {
  const { context, loginUrl, signal, server } = await fixture(t, json(TOKEN))
  const request = { loginUrl, settings, clientId: CLIENT_ID, credential, signal }
  const answer = await clientCredentials.request(request, context)
  t.equal(answer.accessToken.reveal(), TOKEN.access_token)
  const [received] = server.requests
  t.equal(received?.url, '/services/oauth2/token', 'nothing in the query string')
  return {
    loginUrl,
    headers: received?.headers ?? {},
    form: Object.fromEntries(new URLSearchParams(received?.body)),
  }
}

t.test('sends the secret in the Authorization header unless told otherwise', async (t) => {
  for (const settings of [
    { type: 'client_credentials' },
    { type: 'client_credentials', clientAuth: 'client_secret_basic' },
  ] as const) {
    const { headers, form } = await send(t, settings, clientSecret)
    t.same(form, { grant_type: 'client_credentials' }, 'no scope, no secret in the body')
    const pair = Buffer.from(headers.authorization?.replace('Basic ', '') ?? '', 'base64')
    const [id, secret] = pair.toString().split(':')
    t.equal(id, CLIENT_ID, 'a consumer key is the same for servers that decode and that do not')
    t.equal(new URLSearchParams(`s=${secret}`).get('s'), SECRET)
  }
})

t.test('sends the secret in the body where that is asked for', async (t) => {
  const settings = { type: 'client_credentials', clientAuth: 'client_secret_post' } as const
  const { headers, form } = await send(t, settings, clientSecret)
  t.same(form, {
    grant_type: 'client_credentials',
    client_id: CLIENT_ID,
    client_secret: SECRET,
  })
  t.equal(headers.authorization, undefined)
})

t.test('sends a signed assertion of itself where that is asked for', async (t) => {
  const key = makeKey()
  const settings = { type: 'client_credentials', clientAuth: 'private_key_jwt' } as const
  const credential = { type: 'certificate', privateKey: key.pkcs1 } as const
  const { headers, form, loginUrl } = await send(t, settings, credential)
  const { client_assertion = '', ...rest } = form
  t.same(rest, {
    grant_type: 'client_credentials',
    client_id: CLIENT_ID,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  })
  t.equal(headers.authorization, undefined)
  const { payload } = await jwtVerify(client_assertion, key.publicKey, {
    currentDate: new Date(NOW),
  })
  t.same(payload, {
    iss: CLIENT_ID,
    sub: CLIENT_ID,
    aud: `${loginUrl}/services/oauth2/token`,
    exp: NOW / 1_000 + 150,
    jti: 'id-1',
  })
})

t.test('introspects as the same client', async (t) => {
  const exp = NOW / 1_000 + 7_200
  const { context, loginUrl, signal, server } = await fixture(t, json({ active: true, exp }))
  const result = await clientCredentials.introspect?.(
    {
      loginUrl,
      settings: { type: 'client_credentials' },
      clientId: CLIENT_ID,
      credential: clientSecret,
      signal,
    },
    new Secret(TOKEN.access_token),
    context,
  )
  t.same(result, { active: true, expiresAt: exp * 1_000 })
  t.match(server.requests[0], {
    url: '/services/oauth2/introspect',
    headers: { authorization: /^Basic / },
  })
})

t.test('asks Salesforce nothing with the wrong kind of credential', async (t) => {
  const { context, loginUrl, signal, server } = await fixture(t, json(TOKEN))
  const certificate = { type: 'certificate', privateKey: new Secret('x') } as const
  const pairs = [
    ['client_secret_basic', certificate],
    ['client_secret_post', certificate],
    ['private_key_jwt', clientSecret],
  ] as const
  for (const [clientAuth, credential] of pairs) {
    const settings = { type: 'client_credentials', clientAuth } as const
    const request = { loginUrl, settings, clientId: CLIENT_ID, credential, signal }
    const problem = await problemOf(clientCredentials.request(request, context))
    t.equal(problem.code, 'credential_required')
  }
  t.equal(server.requests.length, 0)
})

t.test('says which credential it needs, and whether it is sent', async (t) => {
  const type = 'client_credentials'
  t.equal(clientCredentials.credentialType({ type }), 'client_secret')
  t.equal(clientCredentials.sendsCredential({ type }), true)
  const signed = { type, clientAuth: 'private_key_jwt' } as const
  t.equal(clientCredentials.credentialType(signed), 'certificate')
  t.equal(clientCredentials.sendsCredential(signed), false)
})
