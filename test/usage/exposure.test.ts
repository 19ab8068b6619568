import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import type { Documents } from '../../src/store/store.ts'
import { createExposure } from '../../src/usage/exposure.ts'
import { exposureCsv } from '../../src/usage/exposure-csv.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { integrationOf } from '../support/integrations.ts'
import { partOf } from '../support/part.ts'

t.test('a field of the CSV is neither two fields nor a formula', async (t) => {
  const read = { integration: 'billing', count: 2, firstAt: 0, lastAt: 1_000 }
  const networks = ['10.1.2.0/24', '=x'].map((network) => ({ network, lastOn: '1970-01-01' }))
  const report = {
    ...{ integrations: ['billing'], tokens: [], isComplete: true },
    reads: [
      { ...read, principal: 'jwt:https://idp#a,b"c' },
      { ...read, principal: '=HYPERLINK("x")', networks },
    ],
  }
  const csv = exposureCsv(report, null)
  const [, one, two] = csv.split('\r\n')
  t.match(one, /^read,billing,"jwt:https:\/\/idp#a,b""c",2,1970-01-01T00:00:00.000Z,/)
  t.match(two, /^read,billing,"'=HYPERLINK\(""x""\)",2,.*,10.1.2.0\/24 =x$/)
  const part = exposureCsv({ ...report, isComplete: false }, 'Y3Jt').split('\r\n')
  t.same(
    part.slice(3),
    ['incomplete,,,,,,,,,,,', 'more,,,,,,,,,,Y3Jt,', ''],
    'it tells what it lacks',
  )
})

const LOGGED = 50_000

t.test('a log that may have lost events is not complete', async (t) => {
  const at = new Date(10_000).toISOString()
  const event = { at, action: 'token.minted', outcome: 'success', integration: 'other' }
  const body = JSON.stringify({ ...event, token_id: 'T' })
  const reportOf = (logged: number) =>
    createExposure({
      integrations: { list: async () => ({ items: [integrationOf()], next: null }) },
      store: {
        documents: partOf<Documents>({ read: async () => undefined }),
        outcomes: { look: async () => undefined },
        events: {
          async read({ limit, before = String(logged) }) {
            const ids = Array.from({ length: limit }, (_, index) => Number(before) - 1 - index)
            return ids.filter((id) => id >= 0).map((id) => ({ id: String(id), body }))
          },
        },
      },
      counts: { read: async () => ({ rows: [], withNetworks: (row) => row }) },
      async *revoking() {
        yield* []
      },
      now: () => 20_000,
    }).report(() => true, 0)
  t.match(await reportOf(LOGGED - 1), { isComplete: true })
  t.match(await reportOf(LOGGED), { isComplete: false })
})

t.test('a token of two integrations is named with both, and dies with its own event', async (t) => {
  const at = new Date(10_000).toISOString()
  const minted = { action: 'token.minted', outcome: 'success', token_id: 'T' }
  const revoked = { ...minted, action: 'token.revoked' }
  const frozen = { ...revoked, integration: 'crm', detail: { reason: 'frozen' } }
  const statesWith = async (...more: readonly object[]) => {
    const events = [
      ...more,
      frozen,
      { ...minted, integration: 'crm' },
      { ...minted, integration: 'billing' },
    ].map((event, index) => ({ id: String(index), body: JSON.stringify({ at, ...event }) }))
    const { tokens } = await createExposure({
      integrations: {
        list: async () => ({
          items: ['billing', 'crm'].map((name) => integrationOf({ name })),
          next: null,
        }),
      },
      store: {
        documents: partOf<Documents>({ read: async () => undefined }),
        outcomes: { look: async () => undefined },
        events: { read: async ({ before }) => (before === undefined ? events : []) },
      },
      counts: { read: async () => ({ rows: [], withNetworks: (row) => row }) },
      async *revoking() {
        yield* []
      },
      now: () => 20_000,
    }).report(({ name }) => name !== 'elsewhere', 0)
    return tokens.map(({ integration, tokenId, state }) => [integration, tokenId, state])
  }
  t.same(
    await statesWith(),
    [
      ['billing', 'T', 'unknown'],
      ['crm', 'T', 'unknown'],
    ],
    'it was dropped here, and Salesforce was given up',
  )
  t.same(await statesWith({ ...revoked, integration: 'elsewhere' }), [
    ['billing', 'T', 'revoked'],
    ['crm', 'T', 'revoked'],
  ])
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
    reads: [
      {
        integration: 'billing',
        principal: 'admin',
        count: 2,
        networks: [{ network: /^[\w-]{16}$/ }],
      },
    ],
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
  const early = await ask('since=2020-01-01T00:00:00Z&all=true')
  t.match(early, { status: 200, body: { complete: false } }, 'reads are not counted so long')
  t.equal((await ask(`since=${since}&all=true`)).body.complete, true)
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
