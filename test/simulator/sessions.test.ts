import t from 'tap'
import type { SimulatorOptions } from '../../simulator/simulator.ts'
import {
  accessToken,
  introspect,
  mintByAssertion,
  newSigningKey,
  simulatorFor,
  useToken,
} from './requester.ts'

const HOUR_MS = 3_600_000
const key = await newSigningKey()

/** A simulator whose clock stands still unless moved, with one app and its token. */
async function withToken(
  test: { teardown(fn: () => Promise<void>): void },
  settings: SimulatorOptions['settings'] = {},
) {
  const start = Date.now()
  const simulator = await simulatorFor(test, {
    now: () => start,
    settings: { assertionsByWallClock: true, ...settings },
  })
  const app = simulator.addJwtApp({ certificatePem: key.certificatePem })
  const mint = async () => accessToken(await mintByAssertion(app, key))
  const use = (token: string) => useToken(simulator.origins.myDomain, token)
  const exp = async (token: string) => (await introspect(app, token)).members.exp
  return { start, simulator, app, mint, use, exp, token: await mint() }
}

t.test('lets a session die of idleness, and a mint then gives a new token', async (t) => {
  const { simulator, use, mint, token } = await withToken(t)
  simulator.clock.advance(2 * HOUR_MS - 1)
  t.equal(await mint(), token)
  simulator.clock.advance(1)
  t.equal(await use(token), 401)
  t.not(await mint(), token)
})

t.test('slides a session with each use', async (t) => {
  const { start, simulator, use, exp, token } = await withToken(t)
  t.equal(await exp(token), Math.floor((start + 2 * HOUR_MS) / 1000))
  for (let hour = 1; hour <= 5; hour += 1) {
    simulator.clock.advance(HOUR_MS)
    t.equal(await use(token), 200, `after ${hour} hours`)
  }
  t.equal(await exp(token), Math.floor((start + 7 * HOUR_MS) / 1000))
  simulator.clock.advance(2 * HOUR_MS)
  t.equal(await use(token), 401)
})

t.test('notes a use only past half the time-out where the knob says so', async (t) => {
  const { simulator, use, token } = await withToken(t, { halfLifeTouch: true })
  simulator.clock.advance(HOUR_MS - 1)
  t.equal(await use(token), 200)
  simulator.clock.advance(HOUR_MS + 1)
  t.equal(await use(token), 401, 'the use was too early to count')
})

t.test('slides with mints and introspection only where knobs say so', async (t) => {
  const quiet = await withToken(t)
  quiet.simulator.clock.advance(HOUR_MS)
  const before = await quiet.exp(quiet.token)
  await quiet.mint()
  t.equal(await quiet.exp(quiet.token), before)

  const sliding = await withToken(t, { mintSlides: true, introspectSlides: true })
  sliding.simulator.clock.advance(HOUR_MS)
  await sliding.mint()
  const afterMint = sliding.simulator.sessions()[0]?.touchedAt
  t.equal(afterMint, sliding.start + HOUR_MS)
  sliding.simulator.clock.advance(HOUR_MS)
  t.equal(await sliding.exp(sliding.token), Math.floor((sliding.start + 4 * HOUR_MS) / 1000))
})

t.test("goes by the app's own time-out where it has one", async (t) => {
  const { simulator, app, use, mint, token } = await withToken(t)
  simulator.endSessions({ token })
  simulator.updateApp(app.clientId, { sessionTimeoutMs: 900_000 })
  const short = await mint()
  simulator.clock.advance(900_000)
  t.equal(await use(short), 401)
})

t.test('ends sessions as an administrator does', async (t) => {
  const { simulator, app, use, mint, token } = await withToken(t)
  t.equal(simulator.endSessions({ username: 'nobody@acme.com' }), 0)
  t.equal(await use(token), 200)
  t.equal(simulator.endSessions({ clientId: app.clientId }), 1)
  t.equal(await use(token), 401)
  t.not(await mint(), token)
})

t.test('shuts a frozen user out', async (t) => {
  const { simulator, app, use, token } = await withToken(t)
  simulator.updateUser(app.username, { state: 'frozen' })
  t.equal(await use(token), 401)
})
