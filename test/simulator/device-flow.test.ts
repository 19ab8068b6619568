import t from 'tap'
import type { AppSeed } from '../../simulator/handle.ts'
import { enterCode } from '../support/salesforce-user.ts'
import { post, type Reply, refresh, simulatorFor, TOKEN_PATH } from './requester.ts'

/** Time stands still but where a test moves it. */
const simulator = await simulatorFor(t, { now: () => Date.UTC(2027, 0) })
const app = simulator.addRefreshTokenApp({ deviceFlow: true })
const INTERVAL_MS = 5_000

const request = (of: AppSeed = app) =>
  post(of.loginUrl, TOKEN_PATH, { response_type: 'device_code', client_id: of.clientId })

const poll = (device: Reply, of: AppSeed = app) =>
  post(of.loginUrl, TOKEN_PATH, {
    grant_type: 'device',
    client_id: of.clientId,
    code: String(device.members.device_code),
  })

/** After the pause that it asked for. */
async function pollAfter(ms: number, device: Reply) {
  simulator.clock.advance(ms)
  return poll(device)
}

const enter = ({ members }: Reply, decision: 'allow' | 'deny' = 'allow') =>
  enterCode(String(members.verification_uri), String(members.user_code), { decision })

t.test('gives codes, waits for the person, and gives tokens once', async (t) => {
  const device = await request()
  t.match(device.members, {
    device_code: String,
    user_code: /^[A-Z2-9]{8}$/,
    verification_uri: `${app.loginUrl}/setup/connect`,
    interval: 5,
  })
  t.notOk('expires_in' in device.members)
  t.equal((await poll(device)).members.error, 'authorization_pending')
  t.match(await enter(device), /You’re connected/)
  const answer = await pollAfter(INTERVAL_MS, device)
  t.match(answer.members, { refresh_token: /^5Aep861/, signature: String })
  t.equal((await refresh(app, String(answer.members.refresh_token))).status, 200)
  t.equal((await pollAfter(INTERVAL_MS, device)).members.error, 'invalid_grant')
  t.match(await enter(device), /isn’t valid/, 'a code is entered once')
})

t.test('tells a hasty device to slow down, and means it', async (t) => {
  const device = await request()
  t.equal((await poll(device)).members.error, 'authorization_pending')
  t.equal((await pollAfter(INTERVAL_MS - 1, device)).members.error, 'slow_down')
  t.equal((await pollAfter(INTERVAL_MS, device)).members.error, 'slow_down')
  t.equal((await pollAfter(3 * INTERVAL_MS, device)).members.error, 'authorization_pending')
})

t.test('says when it was denied, and when it is too late', async (t) => {
  const denied = await request()
  t.match(await enter(denied, 'deny'), /Access denied/)
  t.equal((await poll(denied)).members.error, 'access_denied')
  const late = await request()
  simulator.clock.advance(600_000)
  t.equal((await poll(late)).members.error, 'invalid_grant')
  t.match(await enter(late), /isn’t valid/)
})

t.test('knows its own devices alone, and only where the flow is on', async (t) => {
  const other = simulator.addRefreshTokenApp()
  t.equal((await request(other)).members.error, 'unsupported_response_type')
  const device = await request()
  t.equal((await poll(device, other)).members.error, 'invalid_grant')
})
