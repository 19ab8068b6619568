/** Whoever calls out, each with a way out that never settles and does not listen to its signal: each ends at its deadline. */

import t, { type Test } from 'tap'
import { createKeySource } from '../../src/callers/authentication/key-source.ts'
import { createDeviceFlow, type DeviceFlowDependencies } from '../../src/connections/device-flow.ts'
import type { Beginning } from '../../src/connections/web-server-flow.ts'
import { Secret } from '../../src/crypto/secret.ts'
import {
  createUnknownOutcomeResolver,
  type UnknownOutcomeResolverDependencies,
} from '../../src/custody/unknown-outcome-resolver.ts'
import type { DiagnosisTarget } from '../../src/doctor/diagnosis-target.ts'
import { createDoctor, type DoctorDependencies } from '../../src/doctor/doctor.ts'
import type { BrokerError } from '../../src/errors/errors.ts'
import type { GrantContext } from '../../src/grants/grant.ts'
import type { Outbound } from '../../src/http/outbound/outbound.ts'
import { DEFAULTS, type Integration } from '../../src/integrations/integration.ts'
import { createCertificateSteps } from '../../src/rotation/certificate-steps.ts'
import {
  type Deployment,
  type DeploymentSubject,
  newDeployment,
} from '../../src/rotation/deployment.ts'
import {
  createDeploymentSteps,
  type DeploymentStepsDependencies,
} from '../../src/rotation/deployment-steps.ts'
import { createThrough } from '../../src/rotation/through.ts'
import { workLeftBehind } from '../../src/runtime/timeout.ts'
import { createRefreshTokenPreflight } from '../../src/tokens/refresh/preflight.ts'
import { createRevoker, type RevokerDependencies } from '../../src/tokens/revoke/revocation.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'
import { createTokenRequester } from '../../src/tokens/serve/token-request.ts'
import {
  createWebhookDelivery,
  type WebhookDeliveryDependencies,
} from '../../src/webhooks/webhook-delivery.ts'
import { eventually } from '../support/eventually.ts'
import { testLogins } from '../support/logins.ts'
import { testRuntime } from '../support/runtime.ts'

t.setTimeout(60_000)

const never = () => new Promise<never>(() => undefined)
const silent = () => undefined
const log = { info: silent, warn: silent, error: silent }
const endpoint = {
  ...{ token: never, introspect: never, revoke: never, probe: never, deviceCode: never },
  aheadMs: () => 0,
}
const outbound: Outbound = { send: never, fetch: never, close: never }
const grants = {
  ...{ endpoint, now: Date.now, uniqueId: () => 'id' },
  subjectTokens: { of: never, in: never },
} as unknown as GrantContext
const integration = {
  ...DEFAULTS,
  ...{ name: 'billing', uid: 'u', loginUrl: 'https://acme.my.salesforce.com', enabled: true },
  credentials: [],
  grant: { type: 'client_credentials', clientId: 'app', clientAuth: 'client_secret_basic' },
} as unknown as Integration
const signer = {
  clientId: 'app',
  credential: { type: 'client_secret' as const, clientSecret: new Secret('s') },
}
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'settled',
    (error: BrokerError) => error.code,
  )

const requester = createTokenRequester({
  ...{ grants, runtime: testRuntime(), log },
  refreshTokens: { exchange: never },
})

const attempts = () => {
  const monotonic = () => performance.now()
  const logins = testLogins({ mint: never }, { monotonic })
  const options = { charge: never, hasWorked: never, deadlineAt: monotonic() + 500 }
  return codeOf(logins.mint(integration, options))
}

const endToken = () => {
  const queue = { add: async () => undefined, done: async () => undefined }
  const revoker = createRevoker({ endpoint, queue, log } as unknown as RevokerDependencies)
  const lease = { integration: 'billing', tokenId: 'id', accessToken: new Secret('token') }
  return revoker.endToken('https://acme.my.salesforce.com', lease)
}

const verdict = () => {
  const verdicts = createUnknownOutcomeResolver({
    store: { open: async () => ({ token: new Secret('refresh') }) },
    log,
  } as unknown as UnknownOutcomeResolverDependencies)
  const record = { state: 'spend', at: 0, id: 'presented' } as never
  return codeOf(verdicts.of({} as never, record, 1_000_000, never))
}

const proof = () => {
  const connected = createRefreshTokenPreflight({ custody: {}, exchange: {} } as never)
  const of = {
    integration: { ...integration, credentialFrom: null },
    secrets: { byId: { c: { type: 'refresh_token', refreshToken: 'refresh' } } },
  }
  return codeOf(connected.prove(of as never, { id: 'c' } as never, never))
}

const keys = () =>
  codeOf(
    createKeySource(
      { issuer: 'https://idp.example.com', audience: 'valetkey' },
      { createOutbound: () => outbound, readFile: never, monotonic: () => 0 },
    ).fetch(new AbortController().signal),
  )

const deviceFlow = () => {
  const flow = createDeviceFlow({ endpoint } as unknown as DeviceFlowDependencies)
  return codeOf(flow.begin({ integration, clientId: 'app', scopes: null } as unknown as Beginning))
}

async function upload(phase: Deployment['phase'], stopAfterMs: number): Promise<unknown> {
  const steps = createDeploymentSteps({
    certificates: createCertificateSteps({
      through: createThrough(
        async () => ({ instanceUrl: 'https://acme', accessToken: new Secret('token') }) as Lease,
      ),
      api: { deploy: never, status: never },
      publicUrl: undefined,
      now: Date.now,
    }),
  } as unknown as DeploymentStepsDependencies)
  const by = { principal: null, requestId: 'test' }
  const deployment = { ...newDeployment({ uid: 'u', credential: 'c', by }, Date.now()), phase }
  const subject = { integration, target: { through: 'other', app: 'App' } }
  const stopped = new AbortController()
  const timer = setTimeout(() => stopped.abort(), stopAfterMs)
  const code = await codeOf(
    steps.next(deployment, subject as unknown as DeploymentSubject, stopped.signal),
  )
  clearTimeout(timer)
  return code
}

/** Each with the seconds that it may take, and what comes of it. */
const USERS: readonly (readonly [string, number, () => Promise<unknown>, unknown])[] = [
  ['a try of a mint', 0.5, attempts, 'salesforce_timeout'],
  [
    'a token request',
    4,
    () => codeOf(requester.request(integration, signer, async () => undefined)),
    'salesforce_timeout',
  ],
  ['the end of a token', 4, endToken, 'salesforce_timeout'],
  ['the verdict on a refresh token', 4, verdict, 'salesforce_timeout'],
  ['the proof of a refresh token', 4, proof, 'salesforce_timeout'],
  ['the keys of an issuer', 5, keys, 'ISSUER_UNREACHABLE'],
  ['a device that asks for its codes', 4, deviceFlow, 'salesforce_timeout'],
  ['the state of a deployment', 10, () => upload('uploaded', 60_000), 'salesforce_timeout'],
  ['a deployment when the process ends', 0.1, () => upload('uploaded', 100), 'salesforce_timeout'],
]

t.test('each ends at its deadline, and what it waited for is counted', async (t) => {
  const before = workLeftBehind().total
  await Promise.all(
    USERS.map(async ([who, seconds, work, expected]) => {
      const began = performance.now()
      t.equal(await work(), expected, who)
      const took = (performance.now() - began) / 1_000
      t.ok(took < seconds + 1, `${who}: ${took}`)
    }),
  )
  t.ok(workLeftBehind().total - before >= USERS.length)
})

t.test('a delivery fails, is tried again, and does not keep the process', async (t: Test) => {
  const queued = {
    ...{ event: { integration: 'billing' }, queuedAt: Date.now(), nextAt: 0, tries: 0 },
    version: 1,
  }
  let isFailed = false
  const delivery = createWebhookDelivery({
    queue: { all: async () => [queued], write: async () => queued, remove: async () => true },
    sender: { send: never },
    runtime: testRuntime({ random: () => 0, sleep: async () => undefined }),
    onFailed({ why }: { why: string }) {
      t.equal(why, 'timeout')
      isFailed = true
    },
    ...{ onDelivered: silent, onExpired: silent, outage: { report: silent, over: silent } },
  } as unknown as WebhookDeliveryDependencies)
  const began = performance.now()
  delivery.start()
  setTimeout(() => void delivery.stop(), 200)
  await eventually(() => isFailed)
  await delivery.stop()
  t.ok(performance.now() - began < 2_000)
})

t.test('the doctor says so of each check, within 20 seconds', async (t) => {
  const doctor = createDoctor({
    ...{ outbound, grants, now: Date.now, monotonic: () => performance.now() },
    hosts: { checkLoginUrl: silent, isSalesforceOwn: () => true },
    clock: { learn: silent },
  } as unknown as DoctorDependencies)
  const target = {
    ...{ integration, open: async () => signer.credential },
    credentials: [{ id: 'c', type: 'client_secret', state: 'active', clientId: 'app' }],
    charge: async () => undefined,
    mint: never,
  } as unknown as DiagnosisTarget
  const began = performance.now()
  const { checks } = await doctor.examine(target)
  t.ok(performance.now() - began < 20_000)
  const outcomes = Object.fromEntries(checks.map(({ check, outcome }) => [check, outcome]))
  t.match(outcomes, { login_host: 'failed', mint: 'failed', identity: 'skipped' })
})
