import t from 'tap'
import {
  accessToken,
  introspect,
  post,
  type Reply,
  refresh,
  revoke,
  simulatorFor,
  TOKEN_PATH,
  until,
  useToken,
} from './requester.ts'

const simulator = await simulatorFor(t)
const { origins } = simulator
const EXPIRED = { error: 'invalid_grant', error_description: 'expired access/refresh token' }

/** An app, and a refresh token that its user has just approved. */
function approved(options: Parameters<typeof simulator.addRefreshTokenApp>[0] = {}) {
  const app = simulator.addRefreshTokenApp(options)
  return { app, ...simulator.approve({ clientId: app.clientId }) }
}

function refreshTokenOf({ members }: Reply): string {
  return String(members.refresh_token)
}

t.test('refreshes as often as one likes without rotation', async (t) => {
  const { app, refreshToken } = approved()
  t.match(refreshToken, /^5Aep861/)
  const first = await refresh(app, refreshToken)
  t.match(first.members, { issued_at: /^\d{13}$/, signature: String, scope: 'api' })
  t.notOk('refresh_token' in first.members)
  t.equal(await useToken(origins.myDomain, accessToken(first)), 200)
  t.equal((await refresh(app, refreshToken)).status, 200)
})

t.test('rotates, and ends the family when an old token is replayed', async (t) => {
  const { app, refreshToken } = approved({ refreshTokenRotation: true })
  const first = await refresh(app, refreshToken)
  const second = await refresh(app, refreshTokenOf(first))
  t.not(refreshTokenOf(second), refreshTokenOf(first))
  t.same((await refresh(app, refreshToken)).members, EXPIRED)
  t.same((await refresh(app, refreshTokenOf(second))).members, EXPIRED)
  t.equal(await useToken(origins.myDomain, accessToken(second)), 401)
})

t.test('lets one of two simultaneous refreshes win', async (t) => {
  for (const refreshTokenRotation of [true, false]) {
    const { app, refreshToken } = approved({ refreshTokenRotation })
    const held = simulator.addFault({ kind: 'hold', afterCommit: true })
    const winner = refresh(app, refreshToken)
    await until(() => held.holding() === 1)
    t.same((await refresh(app, refreshToken)).members, {
      error: 'invalid_grant',
      error_description: 'token request is already being processed',
    })
    held.remove()
    const { status, members } = await winner
    t.equal(status, 200)
    const next = refreshTokenRotation ? String(members.refresh_token) : refreshToken
    t.equal((await refresh(app, next)).status, 200, 'the loser did no harm')
  }
})

t.test('loses the only copy of a rotated token with the answer', async (t) => {
  const { app, refreshToken } = approved({ refreshTokenRotation: true })
  simulator.addFault({ kind: 'reset', afterCommit: true })
  await t.rejects(refresh(app, refreshToken))
  t.same((await introspect(app, refreshToken)).members, { active: false })
  t.same((await refresh(app, refreshToken)).members, EXPIRED)
})

t.test('introspects and revokes refresh tokens', async (t) => {
  const { app, refreshToken } = approved()
  const token = accessToken(await refresh(app, refreshToken))
  t.match((await introspect(app, refreshToken)).members, {
    active: true,
    token_type: 'refresh_token',
  })
  t.equal((await revoke(origins.login, refreshToken)).status, 200)
  t.equal(await useToken(origins.myDomain, token), 401)
  t.same((await refresh(app, refreshToken)).members, EXPIRED)
})

t.test("takes no refresh token of another app's, and none that is unknown", async (t) => {
  const { refreshToken } = approved()
  const { app } = approved()
  t.same((await refresh(app, refreshToken)).members, EXPIRED)
  t.same((await refresh(app, '5Aep861unknown')).members, EXPIRED)
})

t.test('evicts the oldest of six approvals', async (t) => {
  const { app, refreshToken: oldest } = approved()
  const token = accessToken(await refresh(app, oldest))
  const newer = Array.from({ length: 5 }, () => simulator.approve({ clientId: app.clientId }))
  t.same((await refresh(app, oldest)).members, EXPIRED)
  t.equal(await useToken(origins.myDomain, token), 401)
  for (const { refreshToken } of newer) t.equal((await refresh(app, refreshToken)).status, 200)
})

t.test('lets a refresh token die of idleness where its app says so', async (t) => {
  const { app, refreshToken } = approved({ refreshTokenIdleMs: 1_000_000 })
  simulator.clock.advance(900_000)
  t.equal((await refresh(app, refreshToken)).status, 200)
  simulator.clock.advance(1_000_001)
  t.same((await refresh(app, refreshToken)).members, EXPIRED)
})

t.test('asks for the secret unless the app does not', async (t) => {
  const { app, refreshToken } = approved()
  const form = {
    grant_type: 'refresh_token',
    client_id: app.clientId,
    refresh_token: refreshToken,
  }
  const without = await post(origins.login, TOKEN_PATH, form)
  t.match(without.members, { error: 'invalid_client' })
  simulator.updateApp(app.clientId, { secretRequiredForRefresh: false })
  t.equal((await post(origins.login, TOKEN_PATH, form)).status, 200)
})
