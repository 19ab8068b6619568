/** Keys and secrets of external client apps over REST, as the simulator has them. */
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'

async function setUp(t: Test) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const { myDomain } = simulator.origins
  const mint = async ({ clientId, clientSecret }: { clientId: string; clientSecret: string }) => {
    const form = { grant_type: 'client_credentials', client_id: clientId }
    const response = await fetch(`${myDomain}/services/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams({ ...form, client_secret: clientSecret }),
    })
    return { status: response.status, ...((await response.json()) as { access_token?: string }) }
  }
  const app = simulator.addClientCredentialsApp({ name: 'Billing' })
  const { access_token: token } = await mint(simulator.addClientCredentialsApp())
  const ask = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${myDomain}/services/data/v65.0/apps/oauth/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  const { apps } = (await ask('GET', 'usage')).body
  const { identifier } = apps.find(
    ({ developerName }: { developerName: string }) => developerName === app.apiName,
  )
  const [consumer] = (await ask('GET', `credentials/${identifier}`)).body.consumers
  return { simulator, app, mint, ask, consumer, path: `credentials/${identifier}/${consumer.id}` }
}

t.test(
  'a pair is staged, works at once, takes the place of the main one, and ends it',
  async (t) => {
    const { app, mint, ask, path, consumer } = await setUp(t)
    t.equal(consumer.key, app.clientId)
    t.same((await ask('GET', `${path}/staged`)).body, { stagedCredentials: [] })
    const { status, body } = await ask('POST', `${path}/staged`, {})
    t.match({ status, body }, { status: 201, body: { state: 'active', secret: String } })
    t.not(body.key, app.clientId)
    const fresh = { clientId: body.key, clientSecret: body.secret }
    for (const pair of [app, fresh]) t.equal((await mint(pair)).status, 200)
    t.equal((await ask('POST', `${path}/staged`, {})).status, 400, 'one at a time')
    const seen = (await ask('GET', `${path}/staged`)).body.stagedCredentials
    t.notOk('secret' in seen[0])
    t.same((await ask('GET', `${path}?part=keyandsecret`)).body.key, app.clientId)

    t.equal((await ask('PATCH', `${path}/staged/${body.id}`, { command: 'rotate' })).status, 200)
    t.same((await ask('GET', path)).body, { key: body.key })
    for (const pair of [app, fresh]) t.equal((await mint(pair)).status, 200)
    const [old] = (await ask('GET', `${path}/staged`)).body.stagedCredentials
    t.match(old, { key: app.clientId, state: 'rotated' })
    t.equal((await ask('DELETE', `${path}/staged/${old.id}`)).status, 204)
    t.not((await mint(app)).status, 200)
    t.equal((await mint(fresh)).status, 200)
  },
)

t.test('the old pair ends by itself after 30 days', async (t) => {
  const { app, mint, ask, path, simulator } = await setUp(t)
  const { body } = await ask('POST', `${path}/staged`, {})
  await ask('PATCH', `${path}/staged/${body.id}`, { command: 'rotate' })
  simulator.clock.advance(30 * 86_400_000)
  t.not((await mint(app)).status, 200)
  t.equal(simulator.besideCredentials(app.clientId), undefined)
})

t.test('the org and the user have to allow it', async (t) => {
  const { app, ask, path, simulator } = await setUp(t)
  simulator.updateUser(app.username, { mayStageCredentials: false })
  t.equal((await ask('GET', path)).status, 403)
  simulator.updateUser(app.username, { mayStageCredentials: true })
  simulator.updateOrg(simulator.acme.id, { consumerSecretsByRest: false })
  t.equal((await ask('GET', path)).status, 403)
})
