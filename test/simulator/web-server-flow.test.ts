import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import type { AppSeed, NewAppSeed } from '../../simulator/handle.ts'
import { decide } from '../support/salesforce-user.ts'
import { accessToken, post, refresh, simulatorFor, TOKEN_PATH, useToken } from './requester.ts'

const CALLBACK = 'https://broker.example/oauth/callback'
const simulator = await simulatorFor(t)
const { origins } = simulator

const newVerifier = () => randomBytes(64).toString('base64url')
const challengeOf = (verifier: string) => createHash('sha256').update(verifier).digest('base64url')

const appFor = (options: NewAppSeed = {}) =>
  simulator.addRefreshTokenApp({ callbackUrls: [CALLBACK], ...options })

function authorizationUrl(app: AppSeed, parameters: Record<string, string> = {}): string {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: app.clientId,
    redirect_uri: CALLBACK,
    state: 'a state & more',
    ...parameters,
  })
  return `${app.loginUrl}/services/oauth2/authorize?${query}`
}

function exchange(app: AppSeed, code: string | null, form: Record<string, string> = {}) {
  return post(app.loginUrl, TOKEN_PATH, {
    grant_type: 'authorization_code',
    code: code ?? '',
    client_id: app.clientId,
    client_secret: app.clientSecret,
    redirect_uri: CALLBACK,
    ...form,
  })
}

const allowed = async (app: AppSeed, parameters?: Record<string, string>) =>
  (await decide(authorizationUrl(app, parameters))).searchParams

t.test('gives tokens for a code and its verifier, once', async (t) => {
  const app = appFor({ pkceRequired: true, refreshTokenRotation: true })
  const verifier = newVerifier()
  const back = await allowed(app, { code_challenge: challengeOf(verifier) })
  t.equal(back.get('state'), 'a state & more')
  t.match(back.get('code'), /^aPrx/)
  const answer = await exchange(app, back.get('code'), { code_verifier: verifier })
  t.equal(answer.status, 200)
  t.match(answer.members, { refresh_token: /^5Aep861/, signature: String, issued_at: /^\d{13}$/ })
  t.equal(await useToken(origins.myDomain, accessToken(answer)), 200)
  t.equal((await refresh(app, String(answer.members.refresh_token))).status, 200)
  const again = await exchange(app, back.get('code'), { code_verifier: verifier })
  t.equal(again.members.error_description, 'expired authorization code')
})

t.test('refuses codes that are wrong in any way, in words', async (t) => {
  const app = appFor()
  const other = appFor()
  const challenge = challengeOf(newVerifier())
  const cases = [
    [await allowed(app, { code_challenge: challenge }), {}, 'invalid code verifier'],
    [
      await allowed(app, { code_challenge: challenge, code_challenge_method: 'S256' }),
      { code_verifier: newVerifier() },
      'invalid code verifier',
    ],
    [await allowed(app), { redirect_uri: `${CALLBACK}/` }, 'redirect_uri must match configuration'],
    [await allowed(app), { client_secret: 'wrong' }, 'invalid client credentials'],
    [await allowed(other), {}, 'invalid authorization code'],
    [new URLSearchParams({ code: 'aPrxUnknown' }), {}, 'invalid authorization code'],
  ] as const
  for (const [back, form, description] of cases) {
    const answer = await exchange(app, back.get('code'), form)
    t.equal(answer.members.error_description, description)
  }
  const late = await allowed(app)
  simulator.clock.advance(15 * 60_000)
  const answer = await exchange(app, late.get('code'))
  t.equal(answer.members.error_description, 'expired authorization code')
})

t.test('sends errors back to the callback, and others it shows itself', async (t) => {
  const app = appFor({ pkceRequired: true })
  const code_challenge = challengeOf(newVerifier())
  const error = async (parameters: Record<string, string>, decision?: 'deny') => {
    const url = authorizationUrl(app, { code_challenge, ...parameters })
    const back = (await decide(url, { decision: decision ?? 'allow' })).searchParams
    t.equal(back.get('state'), 'a state & more')
    t.notOk(back.get('code'))
    return back.get('error')
  }
  t.equal(await error({}, 'deny'), 'access_denied')
  t.equal(await error({ scope: 'api full' }), 'invalid_scope')
  t.equal(await error({ response_type: 'banana' }), 'unsupported_response_type')
  t.equal(await error({ code_challenge_method: 'plain' }), 'invalid_request')
  simulator.updateApp(app.clientId, { approvedUsernames: [] })
  t.equal(await error({}), 'OAUTH_APP_ACCESS_DENIED')
  const without = await decide(authorizationUrl(app))
  t.equal(without.searchParams.get('error_description'), 'missing required code challenge')
  await t.rejects(
    decide(authorizationUrl(app, { redirect_uri: 'https://evil.example' })),
    /redirect_uri_mismatch/,
  )
  await t.rejects(decide(authorizationUrl(app, { client_id: 'nobody' })), /invalid_client_id/)
})

t.test(
  'needs the secret unless the app says otherwise, and the scope for a refresh token',
  async (t) => {
    const app = appFor({ secretRequiredForCode: false })
    const form = {
      grant_type: 'authorization_code',
      client_id: app.clientId,
      redirect_uri: CALLBACK,
    }
    const back = await allowed(app, { scope: 'api' })
    const answer = await post(app.loginUrl, TOKEN_PATH, { ...form, code: back.get('code') ?? '' })
    t.equal(answer.status, 200)
    t.notOk('refresh_token' in answer.members)
  },
)

t.test('counts approvals by hand: a sixth ends the oldest', async (t) => {
  const app = appFor({ permittedUsers: 'self_authorize', approvedUsernames: [] })
  const tokens: string[] = []
  for (let approval = 0; approval < 6; approval += 1) {
    const answer = await exchange(app, (await allowed(app)).get('code'))
    tokens.push(String(answer.members.refresh_token))
  }
  const statuses = []
  for (const token of tokens) statuses.push((await refresh(app, token)).status)
  t.same(statuses, [400, 200, 200, 200, 200, 200])
})

t.test('escapes what it shows', async (t) => {
  const app = appFor({ name: '<img src=x>' })
  const url = authorizationUrl(app, { state: '"><script>alert(1)</script>' })
  const page = await (await fetch(url)).text()
  t.match(page, '&lt;img src=x&gt;')
  t.notMatch(page, /<script|<img/)
})
