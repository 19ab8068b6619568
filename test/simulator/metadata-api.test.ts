import { strToU8, zipSync } from 'fflate'
import t from 'tap'
import type { Simulator } from '../../simulator/handle.ts'
import {
  accessToken,
  get,
  mintByAssertion,
  mintBySecret,
  newSigningKey,
  type Reply,
  reply,
  type SigningKey,
  simulatorFor,
} from './requester.ts'

const PATH = '/services/data/v65.0/metadata/deployRequest'
const key = await newSigningKey()
const next = await newSigningKey()

const manifest = (member: string) =>
  `<Package><types><members>${member}</members><name>ExtlClntAppGlobalOauthSettings</name></types><version>65.0</version></Package>`

const settings = (elements: Readonly<Record<string, string>>) =>
  `<ExtlClntAppGlobalOauthSettings>${Object.entries(elements)
    .map(([name, value]) => `<${name}>${value}</${name}>`)
    .join('')}</ExtlClntAppGlobalOauthSettings>`

const zipOf = (files: Readonly<Record<string, string>>) =>
  zipSync(Object.fromEntries(Object.entries(files).map(([path, text]) => [path, strToU8(text)])))

/** What rotates the certificate of an app. */
const archiveFor = (
  apiName: string,
  certificate: string,
  { member = `${apiName}_glbloauth`, ...more }: Readonly<Record<string, string>> = {},
) =>
  zipOf({
    'package.xml': manifest(member),
    [`extlClntAppGlobalOauthSets/${member}.ecaGlblOauth`]: settings({
      callbackUrl: 'https://login.salesforce.com/services/oauth2/success',
      certificate,
      externalClientApplication: apiName,
      label: 'It',
      ...more,
    }),
  })

async function deploy(
  { origins }: Simulator,
  token: string,
  archive: Uint8Array<ArrayBuffer>,
  deployOptions: object = {},
): Promise<Reply> {
  const body = new FormData()
  body.set('json', JSON.stringify({ deployOptions }))
  body.set('file', new Blob([archive]), 'deploy.zip')
  const headers = { authorization: `Bearer ${token}` }
  return reply(await fetch(`${origins.myDomain}${PATH}`, { method: 'POST', headers, body }))
}

const resultOf = async ({ origins }: Simulator, token: string, id: unknown) =>
  (await get(origins.myDomain, `${PATH}/${id}?includeDetails=true`, token)).members
    .deployResult as Record<string, unknown>

async function setUp(test: Parameters<typeof simulatorFor>[0]) {
  const simulator = await simulatorFor(test)
  const app = simulator.addJwtApp({ certificatePem: key.certificatePem })
  const admin = simulator.addClientCredentialsApp()
  const token = accessToken(await mintBySecret(admin))
  const takes = async (one: SigningKey) => (await mintByAssertion(app, one)).status === 200
  return { simulator, app, token, takes }
}

t.test('a deployment is asynchronous, and replaces the certificate when it is done', async (t) => {
  const { simulator, app, token, takes } = await setUp(t)
  simulator.configure({ metadataDeploy: { durationMs: 60_000, outcome: 'Succeeded' } })
  const started = await deploy(simulator, token, archiveFor(app.apiName, next.certificatePem))
  t.equal(started.status, 201)
  const { id } = started.members
  t.match(id, /^0Af\w{15}$/)
  t.match(await resultOf(simulator, token, id), { done: false, status: 'Pending' })
  simulator.clock.advance(31_000)
  t.match(await resultOf(simulator, token, id), { done: false, status: 'InProgress' })
  t.ok(await takes(key))
  simulator.clock.advance(30_000)
  t.match(await resultOf(simulator, token, id), {
    done: true,
    status: 'Succeeded',
    success: true,
    details: { componentFailures: [], componentSuccesses: [{}] },
  })
  simulator.configure({ assertionsByWallClock: true })
  t.ok(await takes(next))
  t.notOk(await takes(key))
  t.match(simulator.deployments(), [
    { id, status: 'Succeeded', components: [{ fullName: 'JWT_app_glbloauth' }] },
  ])
})

t.test('it is applied though nobody asks, and spreads like every other change', async (t) => {
  const { simulator, app, token } = await setUp(t)
  simulator.configure({ propagation: { nodes: 8, minMs: 60_000, maxMs: 600_000 } })
  await deploy(simulator, token, archiveFor(app.apiName, next.certificatePem))
  const answers = async (one: SigningKey) => {
    const statuses = []
    for (let count = 0; count < 24; count += 1) {
      statuses.push((await mintByAssertion(app, one)).status)
    }
    return new Set(statuses)
  }
  t.same(await answers(key), new Set([200]))
  simulator.configure({ assertionsByWallClock: true })
  simulator.clock.advance(300_000)
  t.same(await answers(next), new Set([200, 400]), 'some nodes have it')
  simulator.clock.advance(301_000)
  t.same(await answers(next), new Set([200]))
})

t.test('what is wrong with a component fails the deployment, and changes nothing', async (t) => {
  const { simulator, app, token, takes } = await setUp(t)
  const certificate = next.certificatePem
  const cases: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
    'No package.xml': zipOf({ 'other.xml': '' }),
    'No package.xml found': new Uint8Array([1, 2, 3]),
    'was not found in zipped directory': zipOf({ 'package.xml': manifest('x') }),
    'no ExternalClientApplication named Nobody': archiveFor('Nobody', certificate),
    'settings of another name': archiveFor(app.apiName, certificate, { member: 'Other' }),
    'Required field is missing: label': archiveFor(app.apiName, certificate, { label: '' }),
    'consumer key cannot': archiveFor(app.apiName, certificate, { consumerKey: 'other' }),
    'Invalid certificate': archiveFor(app.apiName, 'nonsense'),
  }
  for (const [problem, archive] of Object.entries(cases)) {
    const { members } = await deploy(simulator, token, archive)
    const result = await resultOf(simulator, token, members.id)
    t.match(result, { done: true, status: 'Failed', success: false, numberComponentErrors: 1 })
    t.match(JSON.stringify(result.details), problem)
  }
  t.ok(await takes(key))
})

t.test('a check and a deployment that is canceled change nothing', async (t) => {
  const { simulator, app, token, takes } = await setUp(t)
  const archive = archiveFor(app.apiName, next.certificatePem)
  const checked = await deploy(simulator, token, archive, { checkOnly: true })
  t.match(await resultOf(simulator, token, checked.members.id), { status: 'Succeeded' })
  for (const outcome of ['Canceled', 'Failed'] as const) {
    simulator.configure({ metadataDeploy: { durationMs: 0, outcome } })
    const { members } = await deploy(simulator, token, archive)
    t.match(await resultOf(simulator, token, members.id), { status: outcome, success: false })
  }
  t.ok(await takes(key))
})

t.test('nobody deploys without a live token of a user who may', async (t) => {
  const { simulator, app, token } = await setUp(t)
  const archive = archiveFor(app.apiName, next.certificatePem)
  t.equal((await deploy(simulator, 'nonsense', archive)).status, 401)
  simulator.updateUser(app.username, { mayModifyMetadata: false })
  const refused = await deploy(simulator, token, archive)
  t.equal(refused.status, 403)
  t.match(JSON.parse(refused.text), [{ errorCode: 'INSUFFICIENT_ACCESS' }])
  simulator.updateUser(app.username, { mayModifyMetadata: true })
  t.equal((await get(simulator.origins.myDomain, `${PATH}/0Af`, token)).status, 404)
  t.equal((await get(simulator.origins.myDomain, PATH, token)).status, 405)
  const plain = await fetch(`${simulator.origins.myDomain}${PATH}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: '{}',
  })
  t.equal(plain.status, 400)
  t.same(simulator.deployments(), [])
})

t.test('a fault can befall the Metadata API alone, before and after it has begun', async (t) => {
  const { simulator, app, token, takes } = await setUp(t)
  const archive = archiveFor(app.apiName, next.certificatePem)
  simulator.addFault({ kind: 'html', endpoint: 'metadata' })
  t.equal((await deploy(simulator, token, archive)).status, 503)
  t.same(simulator.deployments(), [])
  simulator.addFault({ kind: 'reset', endpoint: 'metadata', afterCommit: true })
  await t.rejects(deploy(simulator, token, archive))
  t.equal(simulator.deployments().length, 1)
  t.ok(await takes(next), 'it was applied, though nobody was told')
})
