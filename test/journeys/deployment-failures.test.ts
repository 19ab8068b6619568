import t from 'tap'
import {
  activeId,
  auditOf,
  CREDENTIALS,
  DEPLOYER,
  type Deployable,
  deploy,
  deployable,
  deploymentOf,
  phaseIs,
  stageKey,
  statesOf,
} from '../support/deployable.ts'
import { eventually } from '../support/eventually.ts'
import { newSigningKey } from '../support/signing-key.ts'

t.setTimeout(120_000)

const ANY = { 'if-match': '*' }

/** What goes wrong, and what is said of it. The old key must work in the end. */
const FAILURES: Readonly<
  Record<
    string,
    {
      readonly spoil: (setting: Deployable) => unknown
      readonly expected: object
    }
  >
> = {
  'the user may not modify metadata': {
    spoil: ({ simulator }) => simulator.updateUser(DEPLOYER, { mayModifyMetadata: false }),
    expected: { failed_in: 'requested', reason: 'request_refused', detail: /INSUFFICIENT_ACCESS/ },
  },
  'Salesforce cannot deploy it': {
    spoil: ({ simulator }) =>
      simulator.configure({ metadataDeploy: { durationMs: 0, outcome: 'Failed' } }),
    expected: { failed_in: 'uploaded', reason: 'deployment_failed', detail: /UNKNOWN_EXCEPTION/ },
  },
  'somebody cancels it in Setup': {
    spoil: ({ simulator }) =>
      simulator.configure({ metadataDeploy: { durationMs: 0, outcome: 'Canceled' } }),
    expected: { failed_in: 'uploaded', reason: 'deployment_failed', detail: /Canceled/ },
  },
  'there is no such app': {
    spoil: ({ broker }) =>
      broker.call('PATCH', '/integrations/billing', {
        body: { deployment: { app: 'Nothing' } },
        headers: ANY,
      }),
    expected: { failed_in: 'uploaded', reason: 'deployment_failed', detail: /Nothing/ },
  },
  'the deployer may not log in': {
    spoil: ({ simulator }) => simulator.updateUser(DEPLOYER, { state: 'inactive' }),
    expected: { failed_in: 'requested', reason: 'grant_refused' },
  },
  'the deployer is gone': {
    spoil: ({ broker }) => broker.call('DELETE', '/integrations/deployer', { headers: ANY }),
    expected: { failed_in: 'requested', reason: 'integration_not_found' },
  },
  'the deployer is disabled': {
    spoil: ({ broker }) =>
      broker.call('PATCH', '/integrations/deployer', { body: { enabled: false }, headers: ANY }),
    expected: { failed_in: 'requested', reason: 'integration_disabled' },
  },
}

for (const [what, { spoil, expected }] of Object.entries(FAILURES)) {
  t.test(`it fails where ${what}, says so, and the old key works`, async (t) => {
    const setting = await deployable(t)
    const { broker, simulator } = setting
    const formerId = await activeId(broker)
    const id = await stageKey(broker)
    await spoil(setting)
    t.equal((await deploy(broker, id)).status, 202)
    const done = await phaseIs(broker, id, 'activated', 'failed')
    t.match(done, { phase: 'failed', ...expected })
    simulator.endSessions()
    t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
    t.same(await statesOf(broker), { [formerId]: 'active', [id]: 'staged' })
    await eventually(() => auditOf(broker, id).length === 3)
    t.same(auditOf(broker, id).at(-1), ['credential.deployed', 'failed', done.reason])
    t.match(broker.logs(), 'a deployment failed')
  })
}

t.test('what fails is asked for again, and goes on from the start', async (t) => {
  const { broker, simulator } = await deployable(t)
  simulator.configure({ metadataDeploy: { durationMs: 0, outcome: 'Failed' } })
  const id = await stageKey(broker)
  await deploy(broker, id)
  await phaseIs(broker, id, 'failed')
  simulator.configure({ metadataDeploy: { durationMs: 0, outcome: 'Succeeded' } })
  t.match(await deploy(broker, id), {
    status: 202,
    body: { phase: 'requested', reason: null },
  })
  await phaseIs(broker, id, 'activated')
})

t.test(
  'trouble at Salesforce passes, and an upload whose answer is lost is done again',
  async (t) => {
    const { broker, simulator } = await deployable(t)
    const id = await stageKey(broker)
    simulator.addFault({ kind: 'html', endpoint: 'metadata' })
    simulator.addFault({ kind: 'reset', endpoint: 'metadata', afterCommit: true })
    await deploy(broker, id)
    const waiting = await eventually(async () => {
      const deployment = await deploymentOf(broker, id)
      return deployment.tries > 0 ? deployment : undefined
    })
    t.match(waiting, { phase: 'requested', reason: 'salesforce_unavailable' })
    await phaseIs(broker, id, 'activated')
    t.equal(simulator.deployments().length, 2)
  },
)

t.test('a token that died is replaced, once', async (t) => {
  const { broker, simulator } = await deployable(t)
  simulator.configure({ metadataDeploy: { durationMs: 0, outcome: 'Failed' } })
  const id = await stageKey(broker)
  await deploy(broker, id)
  await phaseIs(broker, id, 'failed')
  simulator.configure({ metadataDeploy: { durationMs: 0, outcome: 'Succeeded' } })
  simulator.endSessions()
  await deploy(broker, id)
  await phaseIs(broker, id, 'activated')
  const deaf = { status: 401, body: '[{"errorCode":"INVALID_SESSION_ID","message":"expired"}]' }
  simulator.addFault({ kind: 'answer', answer: deaf, endpoint: 'metadata', times: null })
  const next = await stageKey(broker)
  await deploy(broker, next)
  const failed = await phaseIs(broker, next, 'failed')
  t.match(failed, { failed_in: 'requested', reason: 'token_still_live' })
})

t.test('only what can be deployed is taken', async (t) => {
  const { broker } = await deployable(t)
  const { call } = broker
  const pending = await call('POST', CREDENTIALS, { body: { csr: { common_name: 'x' } } })
  const bare = await newSigningKey()
  const green = await call('POST', CREDENTIALS, {
    body: { private_key: bare.privateKey, certificate: bare.certificate, client_id: '3MVG9.green' },
  })
  for (const [what, path, code] of [
    ['pending', `${CREDENTIALS}/${pending.body.id}/deploy`, 'credential_state'],
    ['of another app', `${CREDENTIALS}/${green.body.id}/deploy`, 'credential_state'],
    ['none', `${CREDENTIALS}/nothing/deploy`, 'credential_not_found'],
    ['no integration', '/integrations/nowhere/credentials/x/deploy', 'integration_not_found'],
  ] as const) {
    t.match(await call('POST', path), { body: { code } }, what)
  }
  const stale = { 'if-match': '"stale.1"' }
  await call('DELETE', `${CREDENTIALS}/${green.body.id}`)
  const staged = await call('POST', CREDENTIALS, { body: { private_key: bare.privateKey } })
  t.match(await call('POST', `${CREDENTIALS}/${staged.body.id}/deploy`), {
    body: { code: 'credential_state', detail: /no certificate/ },
  })
  await call('DELETE', `${CREDENTIALS}/${staged.body.id}`)
  const id = await stageKey(broker)
  t.match(await call('POST', `${CREDENTIALS}/${id}/deploy`, { headers: stale }), {
    status: 412,
    body: { code: 'integration_changed' },
  })
  await call('PATCH', '/integrations/billing', {
    body: { deployment: null },
    headers: ANY,
  })
  t.notOk('deployment' in (await call('GET', '/integrations/billing')).body)
  t.match(await deploy(broker, id), { body: { code: 'credential_state' } })
  t.match(await call('GET', `${CREDENTIALS}/${id}/deployment`), { status: 404 })
})

t.test('it is set up only by who may write the credentials that it goes through', async (t) => {
  const { broker } = await deployable(t)
  const { call } = broker
  const keyWith = async (integrations: readonly string[]) =>
    (
      await call('POST', '/api-keys', {
        body: {
          name: `key-${integrations.join('-')}`,
          permissions: ['integrations:write', 'integrations:read', 'credentials:write'],
          integrations,
        },
      })
    ).body.key
  const { status: _, ...billing } = (await call('GET', '/integrations/billing')).body
  const body = { ...billing, credential: { generate: {} } }
  const both = await keyWith(['deployer', 'mine'])
  const mine = await keyWith(['mine'])
  t.match(await call('PUT', '/integrations/mine', { body, key: mine }), {
    status: 403,
    body: { code: 'caller_forbidden' },
  })
  const put = await call('PUT', '/integrations/mine', { body, key: both })
  t.equal(put.status, 201, JSON.stringify(put.body))
  t.same(put.body.deployment, billing.deployment)
  const described = await call('PATCH', '/integrations/mine', {
    body: { description: 'changed' },
    headers: ANY,
    key: mine,
  })
  t.equal(described.status, 200, 'what stays is not asked about again')
  for (const change of [{ app: 'Other' }, { through: 'billing' }, { rotate_every_days: 1 }]) {
    t.match(
      await call('PATCH', '/integrations/mine', {
        body: { deployment: change },
        headers: ANY,
        key: mine,
      }),
      { status: 403 },
    )
  }
  for (const [what, change] of Object.entries({
    itself: { through: 'mine' },
    nobody: { through: 'nobody' },
    'no API name': { app: 'My App' },
    'too often': { rotate_every_days: 0 },
    'too seldom': { rotate_every_days: 731 },
    more: { more: 1 },
  })) {
    t.match(
      await call('PATCH', '/integrations/mine', {
        body: { deployment: change },
        headers: ANY,
      }),
      { status: 400, body: { code: 'request_invalid' } },
      what,
    )
  }
  const lake = {
    login_url: billing.login_url,
    grant: { type: 'data_cloud', integration: 'billing' },
    deployment: { through: 'deployer', app: 'It' },
  }
  t.match(
    await call('PUT', '/integrations/lake', { body: lake }),
    { status: 400, body: { code: 'request_invalid' } },
    'what proves itself with neither key nor secret has nothing to deploy',
  )
})
