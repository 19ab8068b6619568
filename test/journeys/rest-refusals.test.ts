/** What the REST API says of a token is told with its own cause and remedy, by the doctor, the mint and the log. */
import t from 'tap'
import { type RestRefusalName, REST_REFUSALS as SPOKEN } from '../../simulator/rest-refusals.ts'
import { REST_REFUSALS, type RestReason } from '../../src/grants/refusals/rest-refusal-table.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { checksOf, examine, failures } from './examination.ts'
import { assertNoBug, clientCredentials, jwtBearer, register, world } from './salesforce-world.ts'

const isReason = (name: string): name is RestReason => name in REST_REFUSALS

t.test('the smallest integration user is well', async (t) => {
  const here = await world(t)
  const { simulator, broker } = here
  for (const way of [jwtBearer, clientCredentials]) {
    const { name, app } = await register(here, way)
    simulator.updateUser(app.username, { permissions: ['ApiEnabled', 'ApiUserOnly'] })
    t.strictSame(failures(checksOf(t, await examine(here, name))), [])
    t.equal((await broker.call('GET', `/tokens/${name}`)).status, 200)
  }
  const asked = simulator.log.filter(({ endpoint }) => endpoint === 'rest')
  t.ok(
    asked.length > 0 &&
      asked.every(({ path }) => /^\/services\/data\/v60\.0\/(?:query)?$/.test(path)),
  )
  assertNoBug(t, broker)
})

t.test('what is really wrong with org and user is told', async (t) => {
  const here = await world(t)
  const { simulator } = here
  const { name, app } = await register(here, clientCredentials)
  const instance = async () => checksOf(t, await examine(here, name)).instance_url
  simulator.updateUser(app.username, { permissions: ['ApiUserOnly'] })
  t.match(await instance(), {
    outcome: 'failed',
    detail: /lacks the permission API Enabled.*403: API_DISABLED_FOR_ORG/,
    remedy: /permission set with API Enabled.*In Salesforce: Setup/,
    salesforce: { status: 403, error_code: 'API_DISABLED_FOR_ORG' },
  })
  simulator.configure({ apiOffForUser: 'api_off_for_user' })
  t.match(await instance(), { detail: /^The user lacks the permission API Enabled\./ })
  simulator.updateUser(app.username, { permissions: ['ApiEnabled'] })
  simulator.updateOrg(app.orgId, { apiCallsUsedUp: true })
  const used = await instance()
  t.match(used, { detail: /for 24 hours.*TotalRequests Limit exceeded/ })
  t.notMatch(used?.remedy, /scope|IP/, 'a well app is left alone')
  simulator.updateOrg(app.orgId, { apiCallsUsedUp: false })
  t.match(await instance(), { outcome: 'passed' })
})

t.test(
  'each error of the REST API has its own words, which nobody else’s remedy replaces',
  async (t) => {
    const here = await world(t)
    const { simulator, broker } = here
    const { name } = await register(here, clientCredentials)
    for (const [spoken, { errorCode, status }] of Object.entries(SPOKEN)) {
      const refusal = spoken as RestRefusalName
      const fault = simulator.addFault({
        kind: 'rest_refusal',
        refusal,
        endpoint: 'rest',
        times: null,
      })
      const check = checksOf(t, await examine(here, name)).instance_url
      fault.remove()
      t.match(check, { outcome: 'failed', detail: new RegExp(errorCode) }, spoken)
      if (isReason(spoken) && status < 500) {
        t.ok(check?.remedy.startsWith(REST_REFUSALS[spoken].remedy), `${spoken}: ${check?.remedy}`)
        t.ok(check?.detail.startsWith(REST_REFUSALS[spoken].cause), spoken)
      }
      t.notMatch(check?.remedy, /login_url with/, spoken)
    }
    const page = simulator.addFault({ kind: 'html', status: 404, endpoint: 'rest', times: null })
    const paged = checksOf(t, await examine(here, name)).instance_url
    page.remove()
    t.match(paged?.remedy, /instance_url/)
    simulator.addFault({
      kind: 'answer',
      endpoint: 'rest',
      answer: {
        status: 400,
        headers: { 'content-type': 'application/xml' },
        body: '<Errors><Error><errorCode>OF_NEXT_YEAR</errorCode><message>What\u0007ever</message></Error></Errors>',
      },
    })
    t.match(checksOf(t, await examine(here, name)).instance_url, {
      detail: /status 400 and no known error: OF_NEXT_YEAR: What ever\./,
      remedy: /error text/,
    })
    assertNoBug(t, broker)
  },
)

t.test('a mint that can prove nothing says in the log what it was told', async (t) => {
  const here = await world(t)
  const { simulator, broker } = here
  const { name, app } = await register(here, jwtBearer)
  simulator.addFault({
    kind: 'answer',
    endpoint: 'introspect',
    times: null,
    answer: { status: 401, body: '{}' },
  })
  simulator.updateOrg(app.orgId, { apiCallsUsedUp: true })
  t.equal((await broker.call('GET', `/tokens/${name}`)).status, 200, 'the token may well be good')
  await lifeKnown(broker.call, name)
  const { lease } = (await broker.call('GET', `/integrations/${name}`)).body.status
  t.match(lease, { proof: 'unproven' })
  const line = broker
    .logs()
    .split('\n')
    .find((one) => one.includes('"reason":"request_limit"'))
  t.match(JSON.parse(line ?? '{}'), {
    level: 'warn',
    salesforce: 'status 403: REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded',
  })
})

t.test('an error of the REST API at the token endpoint keeps its words and its cure', async (t) => {
  const here = await world(t)
  const { simulator, broker } = here
  const { name } = await register(here, jwtBearer)
  simulator.addFault({ kind: 'rest_refusal', refusal: 'api_disabled', times: null })
  const answer = await broker.call('GET', `/tokens/${name}`)
  t.match(answer, {
    status: 502,
    body: {
      code: 'token_response_invalid',
      detail: /API_DISABLED_FOR_ORG: The REST API is not enabled.*edition of the org has no API/,
      remedy: /API Enabled/,
      salesforce: { error_code: 'API_DISABLED_FOR_ORG' },
    },
  })
})

t.test('the doctor says what the user lacks, and what it has beside', async (t) => {
  const here = await world(t)
  const { simulator } = here
  const { name, app } = await register(here, clientCredentials)
  const permissions = async (...list: readonly string[]) => {
    simulator.updateUser(app.username, { permissions: list })
    return checksOf(t, await examine(here, name)).permissions
  }
  t.match(await permissions('ApiEnabled', 'ApiUserOnly'), { outcome: 'passed' })
  t.match(await permissions('ApiEnabled'), {
    outcome: 'warning',
    detail: 'The user lacks: API Only User.',
    remedy: new RegExp(`/integrations/${name}/setup/metadata`),
  })
  t.match(await permissions('ApiEnabled', 'ApiUserOnly', 'ViewSetup', 'ModifyAllData'), {
    outcome: 'warning',
    detail:
      'The user has more permissions than the integration needs: Modify All Data, View Setup and Configuration.',
    remedy: /Remove the other permissions/,
  })
  t.match(await permissions('ApiUserOnly'), {
    outcome: 'failed',
    detail: /lacks API Enabled/,
    remedy: /setup\/metadata/,
  })
  simulator.updateUser(app.username, { permissions: ['ApiEnabled', 'ApiUserOnly'] })
  const hidden = simulator.addFault({
    kind: 'members',
    set: { records: [] },
    endpoint: 'rest',
    times: null,
  })
  t.match(checksOf(t, await examine(here, name)).permissions, {
    outcome: 'passed',
    detail: /cannot be read/,
  })
  hidden.remove()
  simulator.updateUser(app.username, { permissions: [] })
  simulator.updateApp(app.clientId, { restApiAllowed: false })
  t.equal(checksOf(t, await examine(here, name)).permissions, undefined, 'nothing can be told')
})
