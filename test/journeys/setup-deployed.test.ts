/** An app is made from the setup files alone, and is the one that the rest of the service expects. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { DEPLOYER, deploy, phaseIs, stageKey } from '../support/deployable.ts'
import { hasCommand } from '../support/shell.ts'

const withoutCli = hasCommand('sf') ? {} : { skip: 'sf, the CLI of Salesforce, is not on the PATH' }

/** A broker with `billing`, a draft with a key, and who may deploy. */
async function setUp(t: Test) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const { myDomain } = simulator.origins
  const broker = await startBroker(t, { loginHosts: [myDomain] })
  const { call } = broker
  simulator.addUser({ username: DEPLOYER })
  const app = simulator.addClientCredentialsApp({ username: DEPLOYER })
  const put = (name: string, body: object) =>
    call('PUT', `/integrations/${name}`, { body: { login_url: myDomain, ...body } })
  await put('deployer', {
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  })
  await put('billing', {
    grant: { type: 'jwt_bearer', username: 'billing@acme.com' },
    credential: { generate: {} },
  })
  const token: string = (await call('GET', '/tokens/deployer')).body.access_token
  const files = async (name: string, query = '') => {
    const response = await fetch(`${broker.url}/integrations/${name}/setup/metadata${query}`, {
      headers: { authorization: `Bearer ${broker.adminKey}` },
    })
    return new Uint8Array(await response.arrayBuffer())
  }
  const appNamed = (apiName: string) => simulator.apps().find((one) => one.apiName === apiName)
  return { simulator, broker, call, put, token, files, appNamed, myDomain }
}

type World = Awaited<ReturnType<typeof setUp>>

/** As the CLI does over REST: its part is called `entity_content`. Gives the last deployment. */
async function deployed({ simulator, myDomain, token }: World, archive: Uint8Array<ArrayBuffer>) {
  const body = new FormData()
  body.set('file', new Blob([archive], { type: 'application/zip' }), 'package.xml')
  body.set('entity_content', JSON.stringify({ deployOptions: { singlePackage: true } }))
  const response = await fetch(`${myDomain}/services/data/v67.0/metadata/deployRequest`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body,
  })
  t.equal(response.status, 201, await response.text())
  // Any request lets the simulator do what is due.
  await (await fetch(`${myDomain}/services/data/`)).arrayBuffer()
  return simulator.deployments().at(-1)
}

/** The consumer key comes back, and the user gets the permission set. */
async function finish({ simulator, call }: World, name: string, clientId: string) {
  simulator.updateApp(clientId, { approvedUsernames: ['billing@acme.com'] })
  const headers = { 'if-match': '*' }
  await call('PATCH', `/integrations/${name}`, {
    body: { grant: { client_id: clientId } },
    headers,
  })
  return call('GET', `/tokens/${name}`)
}

t.test('an app from the files gives tokens, and its certificate rotates', async (t) => {
  const world = await setUp(t)
  const { broker, call, appNamed } = world
  t.match(await deployed(world, await world.files('billing')), { status: 'Succeeded' })
  const app = appNamed('Valetkey_billing')
  t.equal((await finish(world, 'billing', app?.clientId ?? '')).status, 200)

  const through = { certificate_deployment: { through: 'deployer', app: 'Valetkey_billing' } }
  const headers = { 'if-match': '*' }
  t.equal((await call('PATCH', '/integrations/billing', { body: through, headers })).status, 200)
  const id = await stageKey(broker)
  t.equal((await deploy(broker, id)).status, 202)
  t.match(await phaseIs(broker, id, 'activated', 'failed'), { phase: 'activated' })
})

t.test('client credentials need no more than a run-as user that is there', async (t) => {
  const world = await setUp(t)
  await world.put('reports', { grant: { type: 'client_credentials' } })
  const nobody = await deployed(world, await world.files('reports'))
  t.match(nobody, { status: 'Failed', failures: [{ problem: /clientCredentialsFlowUser/ }] })
  t.notOk(world.appNamed('Valetkey_reports'), 'half an app is none')
  const files = await world.files('reports', '?run_as=billing@acme.com')
  t.match(await deployed(world, files), { status: 'Succeeded' })
  const app = world.appNamed('Valetkey_reports')
  t.match(app, { username: 'billing@acme.com' })
})

t.test('files that are deployed again change the app, and make no second one', async (t) => {
  const world = await setUp(t)
  await world.put('lists', { grant: { type: 'refresh_token' } })
  const archive = await world.files('lists')
  t.match(await deployed(world, archive), { status: 'Succeeded' })
  t.match(await deployed(world, archive), { status: 'Succeeded' })
  t.equal(world.simulator.apps().filter(({ apiName }) => apiName === 'Valetkey_lists').length, 1)
})

t.test('the CLI of Salesforce deploys the files in both formats', withoutCli, async (t) => {
  const world = await setUp(t)
  const root = t.testdir({
    'sfdx-project.json': JSON.stringify({
      packageDirectories: [{ path: 'force-app', default: true }],
    }),
  })
  const env = {
    ...process.env,
    HOME: root,
    SF_ACCESS_TOKEN: world.token,
    SF_DISABLE_TELEMETRY: 'true',
    SF_ORG_METADATA_REST_DEPLOY: 'true',
    SF_SKIP_NEW_VERSION_CHECK: 'true',
  }
  // The hooks of the test runner, which children inherit, are not for it.
  const sf = async (...command: readonly string[]) => {
    const run = ['-u', 'NODE_OPTIONS', 'sf', ...command, '--json']
    const { stdout } = await promisify(execFile)('env', run, { cwd: root, env })
    return JSON.parse(stdout)
  }
  const login = ['--instance-url', world.myDomain, '--alias', 'acme', '--no-prompt']
  await sf('org', 'login', 'access-token', ...login)
  const start = ['project', 'deploy', 'start', '--target-org', 'acme', '--wait', '2']

  writeFileSync(join(root, 'app.zip'), await world.files('billing'))
  const zip = await sf(...start, '--single-package', '--metadata-dir', 'app.zip')
  t.match(zip.result, { status: 'Succeeded', numberComponentsDeployed: 6 })
  t.ok(world.appNamed('Valetkey_billing'))

  await world.put('sourced', { grant: { type: 'jwt_bearer', username: 'billing@acme.com' } })
  writeFileSync(join(root, 'source.zip'), await world.files('sourced', '?format=source'))
  await promisify(execFile)('unzip', ['-q', 'source.zip'], { cwd: root })
  const source = await sf(...start, '--source-dir', 'force-app')
  t.match(source.result, { status: 'Succeeded', numberComponentsDeployed: 6 })
  t.ok(world.appNamed('Valetkey_sourced'))
})
