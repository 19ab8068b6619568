import t from 'tap'
import type { FaultRule } from '../../simulator/faults.ts'
import { eventually } from '../support/eventually.ts'
import { login, soap, textIn, told } from './soap-world.ts'
import { doorWorld } from './world.ts'

const world = await doorWorld(t)
const { ask, broker, call, makeKey, integration, simulator } = world
const { key } = await makeKey('wide')
const at = (name: string, version = '60.0') => `/login/${name}/services/Soap/u/${version}`
const logIn = (name: string, version?: string) =>
  ask(soap(login(name, key), { path: at(name, version) }))
const asked = () => simulator.log.filter(({ endpoint }) => endpoint === 'soap')

t.test('many logins at once are one login and one call of getUserInfo', async (t) => {
  simulator.clear()
  const answers = await Promise.all(Array.from({ length: 40 }, () => logIn('billing')))
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
  t.equal(new Set(answers.map(({ body }) => textIn(body, 'sessionId'))).size, 1)
  t.equal(simulator.tokenRequests().length, 1)
  t.equal(asked().length, 1)
  for (const version of ['50.0', '65.0']) {
    const { body } = await logIn('billing', version)
    t.equal(textIn(body, 'userFullName'), 'Integration User')
  }
  t.equal(asked().length, 1, 'and the lease has it from then on')
  const [{ headers, path } = {}] = asked()
  t.equal(path, '/services/Soap/u/60.0')
  t.equal(headers?.['user-agent'], 'valetkey')
})

t.test('a version that Salesforce does not have takes nothing from other clients', async (t) => {
  await call('DELETE', '/tokens/shipping')
  for (const version of ['999.0', '1.0', '60.0']) {
    const { body } = await logIn('shipping', version)
    t.equal(textIn(body, 'userFullName'), 'Integration User', version)
  }
})

t.test('another token is asked about again', async (t) => {
  const before = textIn((await logIn('billing')).body, 'sessionId')
  simulator.clear()
  await call('DELETE', '/tokens/billing')
  const { body } = await logIn('billing')
  t.not(textIn(body, 'sessionId'), before)
  t.equal(textIn(body, 'userFullName'), 'Integration User')
  t.equal(asked().length, 1)
})

const MISSING: Readonly<Record<string, FaultRule>> = {
  'a page': { kind: 'html', endpoint: 'soap' },
  'no body': { kind: 'empty', endpoint: 'soap' },
  'a reset connection': { kind: 'reset', endpoint: 'soap' },
  'too much': { kind: 'oversize', endpoint: 'soap' },
  'half of an answer': { kind: 'truncated', endpoint: 'soap' },
  'an answer that is none of getUserInfo': {
    ...{ kind: 'answer', endpoint: 'soap' },
    answer: { status: 200, body: '<a><b/></a>', headers: { 'content-type': 'text/xml' } },
  },
  'a document type': {
    ...{ kind: 'answer', endpoint: 'soap' },
    answer: { status: 200, body: '<!DOCTYPE a><a/>', headers: { 'content-type': 'text/xml' } },
  },
  'no answer in time': { kind: 'hold', endpoint: 'soap' },
}

for (const [name, fault] of Object.entries(MISSING)) {
  t.test(`${name} instead of user info gets honest defaults`, async (t) => {
    const own = `own-${Object.keys(MISSING).indexOf(name)}`
    const app = simulator.addClientCredentialsApp()
    await call('PUT', `/integrations/${own}`, {
      body: {
        ...integration,
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
      },
    })
    const handle = simulator.addFault(fault)
    const answer = await logIn(own)
    t.match(told(answer), { status: 200 })
    const { body } = answer
    const { body: token } = await call('GET', `/tokens/${own}`)
    t.equal(textIn(body, 'sessionId'), token.access_token)
    t.equal(textIn(body, 'organizationId'), token.org_id)
    t.equal(textIn(body, 'userFullName'), '')
    t.equal(textIn(body, 'userTimeZone'), 'GMT')
    t.match(body, '<currencySymbol xsi:nil="true"/>')
    t.equal(handle.hits(), 1)
    t.equal((await logIn(own)).status, 200)
    t.equal(handle.hits(), 1, 'and nobody asks again at once')
    simulator.clearFaults()
  })
}

t.test('the log says why defaults are answered', async (t) => {
  const lines = broker
    .logs()
    .split('\n')
    .filter((line) => line.includes('getUserInfo failed'))
  t.equal(lines.length, Object.keys(MISSING).length)
  for (const line of lines) t.match(JSON.parse(line), { code: /^\w+$/, integration: /^own-\d$/ })
  const { body } = await call('GET', '/tokens/billing')
  t.notMatch(broker.logs(), body.access_token.slice(20))
})

t.test(
  'a token in the form of a JWT is refused below version 68.0, with the setting',
  async (t) => {
    const app = simulator.addClientCredentialsApp({ jwtAccessTokens: true })
    await call('PUT', '/integrations/jwt', {
      body: {
        ...integration,
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
      },
    })
    simulator.clear()
    const answer = await logIn('jwt', '67.0')
    t.match(told(answer), {
      faultcode: 'sf:UNSUPPORTED_API_VERSION',
      faultstring: /JWT.*68\.0.*Issue JSON Web Token \(JWT\)-based access tokens.*\/tokens\/jwt/,
    })
    t.notMatch(answer.body, 'eyJ')
    t.equal(asked().length, 0)
    const newer = await logIn('jwt', '68.0')
    t.match(textIn(newer.body, 'sessionId'), /^eyJ/)
    t.equal(textIn(newer.body, 'userFullName'), 'Integration User')
    simulator.updateApp(app.clientId, { jwtAccessTokens: false })
    await call('DELETE', '/tokens/jwt')
    const opaque = await logIn('jwt', '67.0')
    t.match(textIn(opaque.body, 'sessionId'), /^00D/)
  },
)

t.test('VALETKEY_SOAP_LOGIN=off closes the door before a body is read', async (t) => {
  const closed = await doorWorld(t, { env: { VALETKEY_SOAP_LOGIN: 'off' } })
  const one = await closed.makeKey('wide')
  for (const path of [at('billing'), '/services/Soap/c/60.0']) {
    for (const body of [login('billing', one.key), 'x'.repeat(100_000)]) {
      t.match(told(await closed.ask(soap(body, { path }))), {
        faultcode: 'sf:API_DISABLED_FOR_ORG',
        faultstring: /VALETKEY_SOAP_LOGIN/,
      })
    }
  }
  const form = { grant_type: 'client_credentials', client_id: one.id, client_secret: one.key }
  t.equal((await closed.ask({ form })).status, 200, 'the OAuth endpoint is open')
  await eventually(async () => (await closed.call('GET', '/readyz')).status === 200)
})
