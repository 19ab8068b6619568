import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { exposureCsv } from '../../src/usage/exposure-csv.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'

t.test('a field of the CSV is neither two fields nor a formula', async (t) => {
  const read = { integration: 'billing', count: 2, firstAt: 0, lastAt: 1_000 }
  const csv = exposureCsv({
    ...{ integrations: ['billing'], tokens: [], isComplete: true, next: null },
    reads: [
      { ...read, principal: 'jwt:https://idp#a,b"c' },
      { ...read, principal: '=HYPERLINK("x")' },
    ],
  })
  const [, one, two] = csv.split('\r\n')
  t.match(one, /^read,billing,"jwt:https:\/\/idp#a,b""c",2,1970-01-01T00:00:00.000Z,/)
  t.match(two, /^read,billing,"'=HYPERLINK\(""x""\)",2,/)
})

t.test('says who read what, and what became of each token', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const { call } = await startBroker(t, { loginHosts: [simulator.origins.myDomain] })
  for (const name of ['billing', 'other']) {
    const app = simulator.addClientCredentialsApp({ name })
    await call('PUT', `/integrations/${name}`, {
      body: {
        login_url: app.loginUrl,
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
      },
    })
    t.equal((await call('GET', `/tokens/${name}`)).status, 200)
  }
  const { token_id: tokenId, org_id: orgId } = (await call('GET', '/tokens/billing')).body
  const since = new Date(Date.now() - 60_000).toISOString()
  const ask = (query: string, key?: string) =>
    call('GET', `/incidents/exposure?${query}`, { ...(key !== undefined && { key }) })
  const of = async (query: string) => (await ask(`since=${since}&${query}`)).body
  t.match(await of('integrations=billing'), {
    integrations: ['billing'],
    reads: [{ integration: 'billing', principal: 'admin', count: 2 }],
    tokens: [{ integration: 'billing', token_id: tokenId, org_id: orgId, state: 'live' }],
    complete: true,
    next_cursor: null,
  })
  t.same((await of(`org_id=${orgId}`)).integrations, ['billing', 'other'])
  t.same((await of('label=environment:production')).integrations, [])

  const fault = simulator.addFault({ kind: 'hold', endpoint: 'revoke' })
  const frozen = await call('POST', '/freezes', {
    body: { selector: { integrations: ['billing'] }, reason: 'a test' },
  })
  const stateOf = async () => (await of(`freeze=${frozen.body.id}`)).tokens[0]?.state
  await eventually(() => fault.holding() > 0)
  t.equal(await stateOf(), 'revoking')
  fault.remove()
  await eventually(async () => (await stateOf()) === 'revoked')

  const invalid = { status: 400, body: { code: 'request_invalid' } }
  t.match(await ask(`since=${since}`), invalid, 'it selects nothing')
  t.match(await ask('all=true'), invalid, 'no time')
  t.match(await ask('since=2999-01-01T00:00:00Z&all=true'), invalid)
  t.match(await ask(`since=${since}&all=true&cursor=!`), invalid)
  t.match(await ask(`since=${since}&freeze=frz_none`), {
    status: 404,
    body: { code: 'freeze_not_found' },
  })
  const made = await call('POST', '/api-keys', {
    body: { name: 'auditor', permissions: ['audit:read'], integrations: ['bill*'] },
  })
  t.equal((await ask(`since=${since}&all=true`, made.body.key)).status, 403)
})
