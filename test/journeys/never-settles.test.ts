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
import { createDoctor } from '../../src/doctor/doctor.ts'
import type { BrokerError } from '../../src/errors/errors.ts'
import type { HostRules } from '../../src/http/outbound/login-host.ts'
import type { Outbound } from '../../src/http/outbound/outbound.ts'
import { createCertificateSteps } from '../../src/rotation/certificate-steps.ts'
import { type Deployment, newDeployment } from '../../src/rotation/deployment.ts'
import {
  createDeploymentSteps,
  type DeploymentStepsDependencies,
} from '../../src/rotation/deployment-steps.ts'
import { createThrough } from '../../src/rotation/through.ts'
import { abandonedWork } from '../../src/runtime/timeout.ts'
import type { CustodyRecord } from '../../src/store/custody.ts'
import { createRefreshTokenPreflight } from '../../src/tokens/refresh/preflight.ts'
import { createRevoker, type RevokerDependencies } from '../../src/tokens/revoke/revocation.ts'
import { createTokenRequester } from '../../src/tokens/serve/token-request.ts'
import { createWebhookDelivery } from '../../src/webhooks/webhook-delivery.ts'
import type { WebhookEvent } from '../../src/webhooks/webhook-event.ts'
import type { StoredQueued, WebhookQueue } from '../../src/webhooks/webhook-queue.ts'
import { credential } from '../rotation/fixture.ts'
import { eventually } from '../support/eventually.ts'
import { grantContextOf } from '../support/grant-context.ts'
import { integrationOf, leaseOf } from '../support/integrations.ts'
import { testLogins } from '../support/logins.ts'
import { partOf } from '../support/part.ts'
import { testRuntime } from '../support/runtime.ts'

t.setTimeout(60_000)

const never = () => new Promise<never>(() => undefined)
const unexpected = () => Promise.reject(new Error('It is not expected to be called'))
const silent = () => undefined
const log = { info: silent, warn: silent, error: silent }
const endpoint = {
  ...{ token: never, introspect: never, revoke: never, probe: never, deviceCode: never },
  aheadMs: () => 0,
}
const outbound: Outbound = { send: never, fetch: never, close: never }
const grants = grantContextOf(endpoint, { subjectTokens: { of: unexpected, in: unexpected } })
const integration = integrationOf({
  grant: { type: 'client_credentials', clientId: 'app', clientAuth: 'client_secret_basic' },
})
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
  refreshTokens: { exchange: unexpected },
})

const attempts = () => {
  const monotonic = () => performance.now()
  const logins = testLogins({ mint: never }, { monotonic })
  const options = { charge: unexpected, hasWorked: unexpected, deadlineAt: monotonic() + 500 }
  return codeOf(logins.mint(integration, options))
}

const endToken = () => {
  const queue = { add: async () => undefined, done: async () => undefined }
  const revoker = createRevoker(partOf<RevokerDependencies>({ endpoint, queue, log }))
  return revoker.endToken('https://acme.my.salesforce.com', leaseOf())
}

const outcome = () => {
  const binding = { clientId: 'app', loginUrl: 'https://acme.my.salesforce.com' }
  const resolver = createUnknownOutcomeResolver(
    partOf<UnknownOutcomeResolverDependencies>({
      store: { open: async () => ({ ...binding, token: new Secret('refresh') }) },
      log,
    }),
  )
  const record = partOf<CustodyRecord>({ state: 'spend', at: 0, id: 'presented' })
  return codeOf(resolver.of(integration, record, 1_000_000, never))
}

const proof = () => {
  const preflight = createRefreshTokenPreflight({
    custody: { adopt: unexpected, hasSeen: unexpected },
    exchange: { check: unexpected, settle: unexpected },
  })
  const secrets = { byId: { c: { type: 'refresh_token', refreshToken: 'refresh' } } } as const
  const target = { integration, owner: integration, secrets }
  return codeOf(preflight.prove(target, credential('c', 'staged'), never))
}

const keys = () =>
  codeOf(
    createKeySource(
      { issuer: 'https://idp.example.com', audience: 'valetkey' },
      { createOutbound: () => outbound, readFile: unexpected, monotonic: () => 0 },
    ).fetch(new AbortController().signal),
  )

const deviceFlow = () => {
  const flow = createDeviceFlow(
    partOf<DeviceFlowDependencies>({ endpoint, runtime: testRuntime() }),
  )
  return codeOf(flow.begin(partOf<Beginning>({ integration, clientId: 'app', scopes: null })))
}

async function upload(phase: Deployment['phase'], stopAfterMs: number): Promise<unknown> {
  const steps = createDeploymentSteps(
    partOf<DeploymentStepsDependencies>({
      certificates: createCertificateSteps({
        through: createThrough(async () => leaseOf()),
        api: { deploy: unexpected, status: never },
        publicUrl: undefined,
        now: Date.now,
      }),
    }),
  )
  const by = { principal: null, requestId: 'test' }
  const deployment = { ...newDeployment({ uid: 'u', credential: 'c', by }, Date.now()), phase }
  const target = { through: 'other', app: 'App' }
  const subject = { integration, credential: credential('c', 'staged'), target }
  const stopped = new AbortController()
  const timer = setTimeout(() => stopped.abort(), stopAfterMs)
  const code = await codeOf(steps.next(deployment, subject, stopped.signal))
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
  ['what came of a refresh token', 4, outcome, 'salesforce_timeout'],
  ['the proof of a refresh token', 4, proof, 'salesforce_timeout'],
  ['the keys of an issuer', 5, keys, 'ISSUER_UNREACHABLE'],
  ['a device that asks for its codes', 4, deviceFlow, 'salesforce_timeout'],
  ['the state of a deployment', 10, () => upload('uploaded', 60_000), 'salesforce_timeout'],
  ['a deployment when the process ends', 0.1, () => upload('uploaded', 100), 'salesforce_timeout'],
]

t.test('each ends at its deadline, and what it waited for is counted', async (t) => {
  const before = abandonedWork().total
  await Promise.all(
    USERS.map(async ([who, seconds, work, expected]) => {
      // A timer of the same process is as late as the deadline where the machine is busy.
      let isLate = false
      const limit = setTimeout(
        () => {
          isLate = true
        },
        (seconds + 1) * 1_000,
      )
      t.equal(await work(), expected, who)
      clearTimeout(limit)
      t.notOk(isLate, `${who}: later than ${seconds} s`)
    }),
  )
  t.ok(abandonedWork().total - before >= USERS.length)
})

t.test('a delivery fails, is tried again, and does not keep the process', async (t: Test) => {
  const queued: StoredQueued = {
    event: partOf<WebhookEvent>({ integration: 'billing' }),
    ...{ queuedAt: Date.now(), nextAt: 0, tries: 0, version: 1 },
  }
  let isFailed = false
  const delivery = createWebhookDelivery({
    queue: partOf<WebhookQueue>({
      all: async () => [queued],
      write: async () => queued,
      remove: async () => true,
    }),
    sender: { send: never },
    runtime: testRuntime({ random: () => 0, sleep: async () => undefined }),
    onFailed({ why }) {
      t.equal(why, 'timeout')
      isFailed = true
    },
    ...{ onDelivered: silent, onExpired: silent, outage: { report: silent, over: silent } },
  })
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
    hosts: partOf<HostRules>({ checkLoginUrl: (url) => url, isSalesforceOwn: () => true }),
    clock: { learn: silent },
  })
  const target: DiagnosisTarget = {
    ...{ integration, credentials: [credential('c', 'active')] },
    open: async () => signer.credential,
    charge: async () => undefined,
    mint: never,
  }
  const began = performance.now()
  const { checks } = await doctor.examine(target)
  t.ok(performance.now() - began < 20_000)
  const outcomes = Object.fromEntries(checks.map(({ check, outcome }) => [check, outcome]))
  t.match(outcomes, { login_host: 'failed', mint: 'failed', identity: 'skipped' })
})
