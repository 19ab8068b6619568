import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import type { OpenCredential } from '../../src/grants/grant.ts'
import { type RefreshTokenSettings, refreshToken } from '../../src/grants/refresh-token.ts'
import { json } from '../http/listener.ts'
import { CLIENT_ID, fixture, makeKey, problemOf, TOKEN } from './fixture.ts'

const TOKEN_IN_USE = new Secret('5Aep861.refresh-token')
const SECRET = new Secret('the-secret-of-the-app')
const key = makeKey()

const PROOFS: readonly [RefreshTokenSettings['clientAuth'] | undefined, OpenCredential][] = [
  [undefined, { type: 'refresh_token', refreshToken: TOKEN_IN_USE }],
  [undefined, { type: 'refresh_token', refreshToken: TOKEN_IN_USE, clientSecret: SECRET }],
  [
    'client_secret_post',
    { type: 'refresh_token', refreshToken: TOKEN_IN_USE, clientSecret: SECRET },
  ],
  ['private_key_jwt', { type: 'refresh_token', refreshToken: TOKEN_IN_USE, privateKey: key.pkcs8 }],
]

const settingsFor = (clientAuth: RefreshTokenSettings['clientAuth']): RefreshTokenSettings => ({
  type: 'refresh_token',
  ...(clientAuth && { clientAuth }),
})

t.test('presents the refresh token, and proves the client as it is told to', async (t) => {
  const sent = []
  for (const [clientAuth, credential] of PROOFS) {
    const { context, loginUrl, signal, server } = await fixture(t, json(TOKEN))
    const settings = settingsFor(clientAuth)
    const request = { loginUrl, settings, clientId: CLIENT_ID, credential, signal }
    await refreshToken.request(request, context)
    const [received] = server.requests
    const form = Object.fromEntries(new URLSearchParams(received?.body))
    t.match(form, { grant_type: 'refresh_token', refresh_token: TOKEN_IN_USE.reveal() })
    t.notOk('scope' in form)
    sent.push({ form, authorization: received?.headers.authorization })
  }
  const [alone, basic, post, jwt] = sent
  t.match(alone, { form: { client_id: CLIENT_ID }, authorization: undefined })
  t.notOk('client_secret' in (alone?.form ?? {}))
  t.match(basic, { authorization: /^Basic / })
  t.notOk('client_secret' in (basic?.form ?? {}))
  t.match(post, { form: { client_id: CLIENT_ID, client_secret: SECRET.reveal() } })
  t.match(jwt, { form: { client_id: CLIENT_ID, client_assertion: /^eyJ/ } })
})

t.test('hands the successor over before the rest of the answer is looked at', async (t) => {
  const answers = [
    { ...TOKEN, refresh_token: 'successor' },
    { ...TOKEN, refresh_token: 'successor', instance_url: 'https://evil.example' },
    { refresh_token: 'successor' },
  ]
  for (const [at, answer] of answers.entries()) {
    const { context, loginUrl, signal } = await fixture(t, json(answer))
    const renewed: string[] = []
    const asked = refreshToken.request(
      {
        ...{ loginUrl, settings: settingsFor(undefined), clientId: CLIENT_ID, signal },
        credential: { type: 'refresh_token', refreshToken: TOKEN_IN_USE },
        onRenewed: (token) => void renewed.push(token.reveal()),
      },
      context,
    )
    if (at === 0) t.equal((await asked).refreshToken?.reveal(), 'successor')
    else t.equal((await problemOf(asked)).code, 'token_response_invalid')
    t.same(renewed, ['successor'])
  }
})

t.test('never sends it twice, not even when a kept connection was dead', async (t) => {
  let count = 0
  const { context, loginUrl, signal, server } = await fixture(t, (response, request) => {
    count += 1
    return count === 1 ? json(TOKEN)(response, request) : response.destroy()
  })
  const request = {
    ...{ loginUrl, settings: settingsFor(undefined), clientId: CLIENT_ID, signal },
    credential: { type: 'refresh_token', refreshToken: TOKEN_IN_USE } as const,
  }
  await refreshToken.request(request, context)
  t.equal((await problemOf(refreshToken.request(request, context))).code, 'salesforce_unavailable')
  t.equal(server.requests.length, 2)
})

t.test('asks about the refresh token without using it', async (t) => {
  const { context, loginUrl, signal, server } = await fixture(t, json({ active: true }))
  const request = {
    ...{ loginUrl, settings: settingsFor(undefined), clientId: CLIENT_ID, signal },
    credential: {
      type: 'refresh_token',
      refreshToken: TOKEN_IN_USE,
      clientSecret: SECRET,
    } as const,
  }
  t.same(await refreshToken.introspectRefreshToken?.(request, context), { active: true })
  const [received] = server.requests
  t.equal(received?.url, '/services/oauth2/introspect')
  t.match(Object.fromEntries(new URLSearchParams(received?.body)), {
    ...{ token: TOKEN_IN_USE.reveal(), token_type_hint: 'refresh_token' },
  })
  const { clientSecret: _, ...withoutSecret } = request.credential
  const asked = refreshToken.introspectRefreshToken?.(
    { ...request, credential: withoutSecret },
    context,
  )
  t.equal((await problemOf(asked ?? Promise.resolve())).code, 'credential_required')
  t.equal(server.requests.length, 1)
})
