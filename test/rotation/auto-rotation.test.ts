import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AuditEntry } from '../../src/audit/event.ts'
import type { Credential } from '../../src/credentials/credential.ts'
import { createIntake } from '../../src/credentials/intake.ts'
import { createOutsideSecrets } from '../../src/credentials/outside-secrets.ts'
import { generateKeyring, keyringOf } from '../../src/crypto/keyring.ts'
import { createCredentialWriter } from '../../src/integrations/credential-writer.ts'
import { DEFAULTS, type Integration } from '../../src/integrations/integration.ts'
import type { IntegrationEvents } from '../../src/integrations/integration-events.ts'
import { createIntegrationStore } from '../../src/integrations/integration-store.ts'
import { createAutoRotation, isDue, validDaysOf } from '../../src/rotation/auto-rotation.ts'
import { createDeployer } from '../../src/rotation/deployer.ts'
import { DEPLOYMENTS, moved } from '../../src/rotation/deployment.ts'
import { createStaging } from '../../src/rotation/stage.ts'
import { createEvents } from '../../src/runtime/events.ts'
import type { SigningBackend } from '../../src/signers/remote-key.ts'
import { createSigners, type Signers } from '../../src/signers/signers.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { createSingleFlight } from '../../src/tokens/mint/single-flight.ts'
import { eventually } from '../support/eventually.ts'
import { NO_FREEZES } from '../support/no-freezes.ts'
import { NO_SIGNERS } from '../support/no-signers.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

const DAY_MS = 86_400_000
const newPair = () => generateKeyPairSync('rsa', { modulusLength: 2048 })
const START = Date.parse('2026-11-22T10:00:00Z')

const active: Credential = {
  id: 'first',
  type: 'certificate',
  state: 'active',
  clientId: null,
  createdAt: START,
  activatedAt: START,
  retiresAt: null,
  certificate: null,
}

const integration: Integration = {
  ...DEFAULTS,
  name: 'billing',
  uid: 'u1',
  version: 1,
  labels: {},
  loginUrl: 'https://acme.my.salesforce.com',
  grant: {
    type: 'jwt_bearer',
    clientId: '3MVG9.x',
    username: 'x@acme.com',
  } as Integration['grant'],
  identity: { pin: 'off' },
  credentialFrom: null,
  certificateDeployment: { through: 'deployer', app: 'Billing', rotateEveryDays: 30 },
  credentials: [active],
  managedBy: 'api',
  createdAt: START,
  updatedAt: START,
}

/** Replicas over one store, whose deployments go nowhere. */
async function setUp(t: Test, first: Integration, signers: Signers = NO_SIGNERS) {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-auto-rotation-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const now = () => START + 31 * DAY_MS
  const store = createEmbeddedStore({ dataDir, now })
  t.teardown(() => store.close())
  const integrations = createIntegrationStore({
    records: store.integrations,
    keyring: keyringOf(generateKeyring(START)),
    events: createEvents<IntegrationEvents>(),
  })
  await integrations.create({
    integration: first,
    digests: [],
    secrets: { byId: {}, known: [] },
  })
  const entries: AuditEntry[] = []
  const lines: string[] = []
  const say = (_bindings: object, message: string) => void lines.push(message)
  const log = { info: say, warn: say, error: say }
  const audit = { background: (_by: unknown, entry: AuditEntry) => entries.push(entry) }
  const deploymentOf = async (name: string) => (await DEPLOYMENTS.read(store.documents, name))?.body
  let asleep = 0
  const start = () => {
    const { underLock } = createSingleFlight({ locks: store.locks, uniqueId: randomUUID, log })
    const sleep = (_ms: number, signal?: AbortSignal) => {
      asleep += 1
      return new Promise<void>((resolve) => {
        signal?.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    const common = {
      store: integrations,
      freezes: NO_FREEZES,
      audit,
      runtime: testRuntime({ now, sleep }),
      log,
    }
    const deployer = createDeployer({
      ...common,
      deployments: { ...store.documents, underLock },
      permissions: { permitsOf: async () => [] },
      steps: { next: async (deployment) => moved(deployment, 'activated', now()) },
    })
    const outside = createOutsideSecrets({ vaults: signers, monotonic: now, now })
    const staging = createStaging({
      store: integrations,
      intake: createIntake({ signers, outside, now, uniqueId: randomUUID }),
      credentials: createCredentialWriter({ store: integrations, audit, runtime: { now }, log }),
      now,
    })
    const autoRotation = createAutoRotation({ ...common, underLock, staging, deployer })
    t.teardown(() => autoRotation.stop())
    autoRotation.start()
  }
  const credentials = async () => (await integrations.read('billing'))?.credentials ?? []
  return { start, credentials, deploymentOf, entries, lines, asleep: () => asleep }
}

t.test('it is due by the time of the active credential', async (t) => {
  const days = (count: number) => START + count * DAY_MS
  t.equal(isDue(integration, days(29)), false)
  t.equal(isDue(integration, days(30)), true)
  t.equal(isDue({ ...integration, enabled: false }, days(30)), false)
  t.equal(isDue({ ...integration, credentials: [] }, days(30)), false)
  const { certificateDeployment: _, ...byHand } = integration
  t.equal(isDue(byHand, days(30)), false)
})

t.test('a certificate outlives the next rotation', async (t) => {
  const through = { through: 'x', app: 'X' }
  t.equal(validDaysOf({ ...through, rotateEveryDays: 1 }), 365)
  t.equal(validDaysOf({ ...through, rotateEveryDays: 300 }), 390)
  t.equal(validDaysOf({ ...through, rotateEveryDays: 730 }), 820)
})

t.test('of three replicas that find it due at once, one begins', async (t) => {
  const { start, credentials, deploymentOf, entries, lines, asleep } = await setUp(t, integration)
  for (let replica = 0; replica < 3; replica += 1) start()
  await eventually(() => asleep() === 3)
  const made = (await credentials()).filter(({ state }) => state === 'staged')
  t.equal(made.length, 1)
  t.match(await deploymentOf('billing'), {
    credential: made[0]?.id,
    phase: 'requested',
    by: { principal: null },
  })
  t.match(entries, [{ action: 'credential.staged', detail: { credential: made[0]?.id } }])
  t.equal(lines.filter((line) => line === 'an automatic rotation has started').length, 1)
})

t.test('a key at a signer gets a new version there, and its certificate is deployed', async (t) => {
  const versions = [newPair()]
  const backend: SigningBackend = {
    sign: async ({ keyVersion = 0 }, data) => {
      const pair = versions[keyVersion - 1]
      if (!pair) throw new Error(`there is no version ${keyVersion}`)
      return sign('sha256', data, pair.privateKey)
    },
    publicKeys: async () =>
      versions.map(({ publicKey }, at) => ({
        version: at + 1,
        pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      })),
    rotate: async () => void versions.push(newPair()),
  }
  const signers = createSigners({
    settings: [
      {
        ...{ name: 'kms', type: 'aws_kms', region: 'eu-central-1', keys: ['*'] },
        ...{ integrations: ['*'], timeoutMs: 5_000, signaturesAtOnce: 1 },
      },
    ],
    ...{ backendOf: () => backend, monotonic: () => 0, log: testLog() },
    meter: { signed: () => undefined },
  })
  const kept = { ...active, signer: { name: 'kms', key: 'k', keyVersion: 1 } }
  const { start, credentials, deploymentOf, asleep } = await setUp(
    t,
    { ...integration, credentials: [kept] },
    signers,
  )
  start()
  await eventually(() => asleep() === 1)
  const made = (await credentials()).find(({ state }) => state === 'staged')
  t.match(made, {
    signer: { name: 'kms', key: 'k', keyVersion: 2 },
    certificate: { keyBits: 2048 },
  })
  t.match(await deploymentOf('billing'), { credential: made?.id, phase: 'requested' })
})

t.test('what is staged by hand is what is deployed', async (t) => {
  const certificate = { subject: 'CN=x', notAfter: START } as Credential['certificate']
  const staged = { ...active, id: 'by-hand', state: 'staged', certificate } as Credential
  const { start, credentials, deploymentOf, asleep } = await setUp(t, {
    ...integration,
    credentials: [active, staged],
  })
  start()
  await eventually(() => asleep() === 1)
  t.equal((await credentials()).length, 2)
  t.equal((await deploymentOf('billing'))?.credential, 'by-hand')
})

t.test('what cannot be deployed is said, and left alone', async (t) => {
  const green = { ...active, id: 'green', state: 'staged', clientId: '3MVG9.green' } as Credential
  const { start, deploymentOf, lines, asleep } = await setUp(t, {
    ...integration,
    credentials: [active, green],
  })
  start()
  await eventually(() => asleep() === 1)
  t.equal(await deploymentOf('billing'), undefined)
  t.same(lines, ['an automatic rotation could not start'])
})
