/** The SOAP API of the simulator: what clients that logged in by SOAP call with their session. */
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { accessToken, get, mintBySecret, simulatorFor } from './requester.ts'

const simulator = await simulatorFor(t)
const { origins, acme } = simulator
const app = simulator.addClientCredentialsApp()
const signing = simulator.addClientCredentialsApp({ jwtAccessTokens: true })
const mint = async (of: typeof app = app) => accessToken(await mintBySecret(of))

interface Call {
  readonly operation: string
  readonly token?: string
  readonly path?: string
  readonly isPacked?: boolean
}

async function call({ operation, token = '', path = '/u/60.0', isPacked = false }: Call) {
  const header = `<e:Header><SessionHeader><sessionId>${token}</sessionId></SessionHeader></e:Header>`
  const body = `<e:Body>${operation}</e:Body>`
  const envelope = `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/">${header}${body}</e:Envelope>`
  const answer = await fetch(`${origins.myDomain}/services/Soap${path}`, {
    method: 'POST',
    headers: { 'content-type': 'text/xml', ...(isPacked && { 'content-encoding': 'gzip' }) },
    body: isPacked ? gzipSync(envelope) : envelope,
  })
  return { status: answer.status, text: await answer.text() }
}

t.test('says who the user is, and answers a query, to a live session', async (t) => {
  const token = await mint()
  for (const path of ['/u/60.0', '/c/60.0', `/u/60.0/${acme.id.slice(0, 15)}`]) {
    for (const isPacked of [false, true]) {
      const info = await call({ operation: '<getUserInfo/>', token, path, isPacked })
      t.equal(info.status, 200, path)
      t.match(info.text, `<organizationId>${acme.id}</organizationId>`)
    }
  }
  const queryString = '<queryString>SELECT Id FROM Organization</queryString>'
  const found = await call({ operation: `<query>${queryString}</query>`, token })
  t.equal(found.status, 200)
  t.match(found.text, `<sf:Id>${acme.id}</sf:Id>`)
  const dead = await call({ operation: '<getUserInfo/>', token: 'unknown' })
  t.equal(dead.status, 500)
  t.match(dead.text, '<faultcode>sf:INVALID_SESSION_ID</faultcode>')
})

t.test('takes a token in the form of a JWT from version 68.0 on', async (t) => {
  const token = await mint(signing)
  t.match(token, /^eyJ/)
  const at = (version: string) =>
    call({ operation: '<getUserInfo/>', token, path: `/u/${version}` })
  for (const version of ['50.0', '67.0']) {
    const refused = await at(version)
    t.equal(refused.status, 500, version)
    t.match(refused.text, 'INVALID_SESSION_ID')
  }
  t.equal((await at('68.0')).status, 200)
  t.equal((await get(origins.myDomain, '/services/data/v60.0/', token)).status, 200, 'REST does')
})

t.test('has no login, as new orgs have none, and ends a session by logout', async (t) => {
  const parameters = '<username>a</username><password>b</password>'
  const refused = await call({ operation: `<login>${parameters}</login>` })
  t.equal(refused.status, 500)
  t.match(refused.text, 'INVALID_OPERATION: SOAP API login() is disabled by default in this org.')
  const token = await mint()
  t.equal((await call({ operation: '<logout/>', token })).status, 200)
  t.equal((await get(origins.myDomain, '/services/data/v60.0/', token)).status, 401)
})
