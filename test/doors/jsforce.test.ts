/** jsforce, when Salesforce answers 401: the session is over, or the 401 has another cause. jsforce itself has no limit on logins. */
import jsforce from 'jsforce'
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { doorWorld, slowClock } from './world.ts'

const clock = slowClock()
const world = await doorWorld(t, { monotonic: clock.monotonic })
const { simulator, call, makeKey, broker, url } = world
const { myDomain } = simulator.origins

type Connection = InstanceType<typeof jsforce.Connection>

interface Place {
  readonly name: string
  readonly key: { readonly id: string; readonly key: string }
}

/** Logs in, as the guide says. */
const GRANTS: Readonly<Record<string, (place: Place) => Promise<Connection>>> = {
  async client_credentials({ name, key }) {
    const logIn = (connection: Connection) =>
      connection.authorize({ grant_type: 'client_credentials' })
    const connection: Connection = new jsforce.Connection({
      oauth2: { loginUrl: `${url}/login/${name}`, clientId: key.id, clientSecret: key.key },
      refreshFn: (again: Connection, done: (error: Error | null, token?: string) => void) => {
        logIn(again).then(() => done(null, again.accessToken ?? ''), done)
      },
    })
    await logIn(connection)
    return connection
  },
  async password({ name, key }) {
    const connection = new jsforce.Connection({
      oauth2: { loginUrl: `${url}/login/${name}`, clientId: key.id, clientSecret: key.key },
    })
    await connection.login(name, key.key)
    return connection
  },
  async refresh_token({ name, key }) {
    const oauth2 = new jsforce.OAuth2({ loginUrl: `${url}/login/${name}`, clientId: key.id })
    const token = await oauth2.refreshToken(key.key)
    return new jsforce.Connection({
      oauth2,
      ...{ instanceUrl: token.instance_url, accessToken: token.access_token },
      refreshToken: key.key,
    })
  },
}

async function placeOf(name: string) {
  const app = simulator.addClientCredentialsApp()
  await call('PUT', `/integrations/${name}`, {
    body: {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
  return { name, app, key: await makeKey(name) }
}

const logins = (name: string) =>
  broker
    .audit()
    .filter(
      ({ action, integration, principal }) =>
        action === 'token.read' && integration === name && principal === `api-key:${name}`,
    ).length

for (const [grant, logIn] of Object.entries(GRANTS)) {
  const name = grant.replaceAll('_', '-')

  t.test(`${grant}: a call after the end of the session succeeds`, async (t) => {
    const place = await placeOf(name)
    const connection = await logIn(place)
    await connection.query('SELECT Id FROM Organization')
    await lifeKnown(call, name)
    for (let i = 0; i < 3; i += 1) {
      simulator.endSessions({ clientId: place.app.clientId })
      const { records } = await connection.query('SELECT Id FROM Organization')
      t.equal(records[0]?.Id, simulator.acme.id)
      await lifeKnown(call, name)
    }
    const requests = simulator
      .tokenRequests()
      .filter(({ clientId }) => clientId === place.app.clientId)
    t.equal(requests.length, 4, 'one login for each session')
    await eventually(() => logins(name) >= 4)
    t.equal(logins(name), 4)
  })

  t.test(`${grant}: a 401 of another cause ends with an error that says so`, async (t) => {
    const place = await placeOf(`${name}-loop`)
    const connection = await logIn(place)
    const fault = simulator.addFault({
      ...{ kind: 'answer', endpoint: 'identity', times: null },
      answer: {
        status: 401,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([
          { errorCode: 'INVALID_SESSION_ID', message: 'Session expired or invalid' },
        ]),
      },
    })
    t.teardown(() => fault.remove())
    const elsewhere = `${connection.instanceUrl}/id/${simulator.acme.id}/005000000000001`
    await clock.slowly(() =>
      t.rejects(connection.request(elsewhere), /token_still_live: .*instance_url/),
    )
    t.equal(fault.hits(), 20, 'one for each token')
    fault.remove()
    await connection.query('SELECT Id FROM Organization')
    t.pass('the connection works on, where the token is good')
  })
}
