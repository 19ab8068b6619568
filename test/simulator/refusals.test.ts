import t from 'tap'
import { REFUSALS, type RefusalName } from '../../simulator/refusals.ts'
import { ASSERTION_MISCONFIGURATIONS } from './assertion-misconfigurations.ts'
import { CLIENT_MISCONFIGURATIONS } from './client-misconfigurations.ts'
import { key } from './misconfiguration.ts'
import { mintByAssertion, mintBySecret, simulatorFor } from './requester.ts'
import { USER_MISCONFIGURATIONS } from './user-misconfigurations.ts'

const CASES = [
  ...ASSERTION_MISCONFIGURATIONS,
  ...USER_MISCONFIGURATIONS,
  ...CLIENT_MISCONFIGURATIONS,
]

const simulator = await simulatorFor(t)
const { acme } = simulator
const defaults = simulator.settings()

for (const { what, error, description, request } of CASES) {
  t.test(`says "${description}" to ${what}`, async (t) => {
    simulator.configure(defaults)
    simulator.updateOrg(acme.id, { active: true })
    simulator.updateUser('billing@acme.com', {
      state: 'active',
      loginIpRanges: null,
      loginHours: null,
    })
    simulator.clear()
    const jwt = simulator.addJwtApp({ certificatePem: key.certificatePem })
    const service = simulator.addClientCredentialsApp()
    const answer = await request({ simulator, jwt, service })
    t.equal(answer.status, 400)
    t.same(answer.members, { error, error_description: description })
    t.equal(simulator.tokenRequests().at(-1)?.outcome?.errorDescription, description)
  })
}

t.test('relaxes IP ranges where the app does', async (t) => {
  simulator.configure(defaults)
  const app = simulator.addJwtApp({ certificatePem: key.certificatePem, ipPolicy: 'relax' })
  simulator.updateUser(app.username, { loginIpRanges: ['203.0.113.0/24'] })
  t.equal((await mintByAssertion(app, key)).status, 200)
  simulator.updateUser(app.username, { loginIpRanges: ['127.0.0.0/8'] })
  simulator.updateApp(app.clientId, { ipPolicy: 'enforce' })
  t.equal((await mintByAssertion(app, key)).status, 200)
})

t.test('forgets the logins of an hour ago', async (t) => {
  const hour = await simulatorFor(t, { settings: { loginsPerHour: 1 } })
  const app = hour.addClientCredentialsApp()
  t.equal((await mintBySecret(app)).status, 200)
  t.equal((await mintBySecret(app)).members.error_description, 'login rate exceeded')
  hour.clock.advance(3_600_001)
  t.equal((await mintBySecret(app)).status, 200)
})

t.test('gives every refusal of the table on request, once', async (t) => {
  const app = simulator.addClientCredentialsApp()
  for (const name of Object.keys(REFUSALS) as RefusalName[]) {
    simulator.refuseNext(name)
    const { error, errorDescription } = REFUSALS[name]
    const answer = await mintBySecret(app)
    t.same(answer.members, { error, error_description: errorDescription }, name)
  }
  t.equal((await mintBySecret(app)).status, 200)
})

t.test('writes Login History as Salesforce does', async (t) => {
  const history = await simulatorFor(t)
  const app = history.addClientCredentialsApp({ name: 'Billing' })
  await mintBySecret(app)
  history.updateApp(app.clientId, { approvedUsernames: [] })
  await mintBySecret(app)
  await mintBySecret(app, { client_id: 'unknown' })
  t.match(history.loginHistory(), [
    { username: app.username, application: 'Billing', sourceIp: '127.0.0.1', status: 'Success' },
    { username: app.username, status: 'Failed: Not approved for access' },
  ])
  t.equal(history.loginHistory().length, 2)
})
