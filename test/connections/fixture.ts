/** Both flows on a real store and the real simulator; only the custody is a list. */

import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { AppSeed, NewAppSeed } from '../../simulator/handle.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import type { AuditEntry } from '../../src/audit/event.ts'
import type { Absent } from '../../src/callers/permission-resolver.ts'
import type { Permit } from '../../src/callers/policy.ts'
import { hasConnectionEnded } from '../../src/connections/connection.ts'
import { createConnectionStore } from '../../src/connections/connection-store.ts'
import { createDeviceFlow, TURN_MS } from '../../src/connections/device-flow.ts'
import { createDeviceSchedule } from '../../src/connections/device-schedule.ts'
import { createClaim, createDisconnect, createEnd } from '../../src/connections/end.ts'
import { createFinish } from '../../src/connections/finish.ts'
import { createWebServerFlow } from '../../src/connections/web-server-flow.ts'
import { generateKeyring, keyringOf } from '../../src/crypto/keyring.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { clientSecretPost } from '../../src/grants/token-endpoint/client-auth.ts'
import { createTokenEndpoint } from '../../src/grants/token-endpoint/token-endpoint.ts'
import { createHostRules } from '../../src/http/outbound/login-host.ts'
import { createOutbound } from '../../src/http/outbound/outbound.ts'
import { DEFAULTS, type Integration } from '../../src/integrations/integration.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { testRuntime } from '../support/runtime.ts'

export const CALLBACK = 'https://broker.example/oauth/callback'

export const OPERATOR: Absent = { id: 'api-key:ops', kind: 'api_key', name: 'ops', provenAt: 0 }
const PERMIT: Permit = { permission: 'credentials:write', integrations: ['*'], labels: {} }

export async function flows(t: Test, app: NewAppSeed = {}) {
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.stop())
  const seed = simulator.addRefreshTokenApp({
    callbackUrls: [CALLBACK],
    deviceFlow: true,
    pkceRequired: true,
    ...app,
  })
  const store = createEmbeddedStore({ dataDir: t.testdir(), now })
  t.teardown(() => store.close())
  const hosts = createHostRules([simulator.origins.myDomain])
  const outbound = createOutbound({ hosts })
  t.teardown(() => outbound.close())
  const endpoint = createTokenEndpoint({
    ...{ outbound, hosts, now },
    clock: { learn: () => undefined, aheadMs: () => 0 },
  })
  const keyring = keyringOf(generateKeyring(Date.now()))
  const connections = createConnectionStore({ documents: store.documents, keyring })
  const audited: AuditEntry[] = []
  const logged: object[] = []
  const log = { warn: (bindings: object) => void logged.push(bindings) }
  const end = createEnd({
    ...{ connections, now, log },
    audit: { change: async (_asker, entry) => void audited.push(entry) },
    onEnded: () => undefined,
  })

  /** What a test changes. */
  const world = {
    integrations: new Map<string, Integration>(),
    permits: [PERMIT] as readonly Permit[],
    /** Refuses the identity of what came. */
    isOther: false,
    /** Whether who asks still may, just before something is written. */
    authorise: async () => undefined as undefined,
    family: null as string | null,
    isStoreAway: false,
    /** What is written when a device was allowed is there, and the store does not say so. */
    isClaimUnanswered: false,
    isScheduleAway: false,
    isFrozen: false,
    /** Throws in place of beginning. */
    custodyFails: undefined as BrokerError | undefined,
    secret: seed.clientSecret,
  }
  const kept: { readonly name: string; readonly refreshToken: string }[] = []
  const finish = createFinish({
    integrations: {
      async read(name) {
        if (world.isStoreAway) throw new BrokerError('store_unavailable', 'It is down')
        return world.integrations.get(name)
      },
    },
    isFrozen: async () => world.isFrozen,
    permissions: { stands: async () => true, permitsOf: async () => world.permits },
    identity: {
      async check() {
        if (world.isOther) throw new BrokerError('identity_changed', 'Another user')
      },
    },
    custody: {
      async begin({ name }, { refreshToken, replaces }) {
        if (world.custodyFails) throw world.custodyFails
        if (world.family !== replaces) return 'changed'
        world.family = randomUUID()
        kept.push({ name, refreshToken: refreshToken.reveal() })
        return 'begun'
      },
    },
    isOver: async ({ id }) => hasConnectionEnded((await connections.read(id))?.connection),
    async endToken({ loginUrl }, token) {
      await endpoint.revoke({ loginUrl, token, signal: AbortSignal.timeout(5_000) })
    },
  })
  const clientOf = async () => {
    const clientSecret = new Secret(world.secret)
    return {
      clientId: seed.clientId,
      clientAuth: clientSecretPost(clientSecret),
      clientSecrets: [clientSecret],
    }
  }
  const turns = createDeviceSchedule({ documents: store.documents, now, turnMs: TURN_MS })
  const schedule: typeof turns = {
    ...turns,
    async remove(id) {
      if (world.isScheduleAway) throw new BrokerError('store_unavailable', 'It is down')
      await turns.remove(id)
    },
  }
  const claiming = createClaim({ connections, now })
  const claim: typeof claiming = async (found) => {
    const mine = await claiming(found)
    if (world.isClaimUnanswered) throw new BrokerError('store_unavailable', 'It is down')
    return mine
  }
  const states = { ...connections, claim, end }
  const web = createWebServerFlow({
    ...{ connections: states, endpoint, finish, clientOf, randomBytes, now },
    redirectUri: CALLBACK,
  })
  const device = createDeviceFlow({
    ...{ connections: states, schedule, endpoint, finish, clientOf, log },
    runtime: testRuntime({ now, uniqueId: randomUUID }),
  })

  const add = (name: string): Integration => {
    const integration = integrationFor(name, seed)
    world.integrations.set(name, integration)
    return integration
  }
  const beginning = (integration: Integration) => ({
    ...{ integration, clientId: seed.clientId, replaces: world.family, scopes: null },
    ...{ by: { ...OPERATOR, provenAt: now() }, requestId: 'request-1' },
    authorise: world.authorise,
  })

  return {
    ...{ simulator, app: seed, store, connections, schedule, web, device, world },
    ...{ kept, audited, logged, now, add, beginning },
    disconnect: createDisconnect({
      connections: states,
      custody: { end: async () => ({ hadToken: world.family !== null }) },
    }),
    pass(ms: number) {
      aheadMs += ms
    },
    /** Polls what is due, as the poller does. */
    async pollDue() {
      let polls = 0
      for await (const turn of schedule.turns()) {
        if (turn.nextAt > now()) continue
        polls += 1
        await device.poll(turn)
      }
      return polls
    },
    async stateOf(id: string) {
      return (await connections.read(id))?.connection.state
    },
    sleep,
  }
}

function integrationFor(name: string, app: AppSeed): Integration {
  const { description, enabled, tokenLifetime, keepWarm, loginsPerHour, serveTokens } = DEFAULTS
  return {
    ...{ description, enabled, tokenLifetime, keepWarm, loginsPerHour, serveTokens },
    ...{ name, uid: `uid-of-${name}`, version: 1, labels: {}, credentials: [] },
    loginUrl: app.loginUrl,
    grant: { type: 'refresh_token', clientId: app.clientId },
    identity: { pin: 'org_and_user' },
    credentialFrom: null,
    managedBy: 'api',
    createdAt: 0,
    updatedAt: 0,
  }
}
