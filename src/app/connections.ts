/** Wires how people at Salesforce connect integrations. */
import { randomBytes } from 'node:crypto'
import type { AuditLog } from '../audit/log.ts'
import type { Confirm } from '../callers/index.ts'
import type { PermissionResolver } from '../callers/permission-resolver.ts'
import { registerCallbackRoute } from '../connections/callback-route.ts'
import { createClaim } from '../connections/claim.ts'
import { createClientOf } from '../connections/client.ts'
import { type ConnectionStatus, type Flow, hasConnectionEnded } from '../connections/connection.ts'
import { createConnectionStore } from '../connections/connection-store.ts'
import { createDeviceFlow, TURN_MS } from '../connections/device-flow.ts'
import { createDevicePoller } from '../connections/device-poller.ts'
import { createDeviceSchedule } from '../connections/device-schedule.ts'
import { createDisconnect } from '../connections/disconnect.ts'
import { createEnd } from '../connections/end.ts'
import { createFinish } from '../connections/finish.ts'
import { registerConnectionRoutes } from '../connections/routes.ts'
import { createWebServerFlow } from '../connections/web-server-flow.ts'
import type { Keyring } from '../crypto/keyring.ts'
import type { GrantContext } from '../grants/grant.ts'
import type { TokenAnswer } from '../grants/token-endpoint/token-answer.ts'
import type { Server } from '../http/server/server.ts'
import { createIdentityGuard } from '../identity/identity-guard.ts'
import { createPinStore } from '../identity/pin-store.ts'
import type { Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import type { Logger } from '../logger/logger.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'
import { tokenIdOf } from '../tokens/serve/lease.ts'
import type { LeaseEngine } from './lease-engine.ts'

export interface Connections {
  /** Public. */
  registerCallback(server: Server): void
  registerRoutes(guarded: Server, confirm: Confirm): void
  start(): void
  stop(): Promise<void>
}

export interface ConnectionsDependencies {
  readonly store: Pick<Store, 'documents' | 'custody'>
  readonly keyring: Keyring
  readonly integrations: IntegrationStore
  readonly engine: Pick<LeaseEngine, 'custody' | 'revoker'>
  readonly grants: GrantContext
  readonly standing: PermissionResolver
  readonly audit: AuditLog
  readonly meter: {
    ended(flow: Flow, status: ConnectionStatus): void
    callbackRefused(): void
  }
  /** How browsers reach this service. */
  readonly publicUrl: string | undefined
  readonly runtime: Runtime
  readonly log: Logger
}

export function composeConnections(dependencies: ConnectionsDependencies): Connections {
  const { store, keyring, integrations, engine, grants, standing } = dependencies
  const { audit, meter, publicUrl, runtime, log } = dependencies
  const { now, uniqueId } = runtime
  const { documents } = store
  const { endpoint } = grants
  const connections = createConnectionStore({ documents, keyring })
  const clientOf = createClientOf({ integrations, grants })
  const guard = createIdentityGuard({ pins: createPinStore(documents), audit, now, log })

  const familyOf = async ({ name, uid }: Pick<Integration, 'name' | 'uid'>) => {
    const { record } = await store.custody.read(name)
    return record?.uid === uid ? record.family : null
  }

  const finish = createFinish({
    integrations,
    standing,
    identity: {
      check: async (integration: Integration, answer: TokenAnswer) =>
        guard.check(integration, answer, await guard.known(integration)),
    },
    custody: { begin: (integration, fresh) => engine.custody.begin(integration, fresh) },
    isOver: async ({ id }) => hasConnectionEnded((await connections.read(id))?.connection),
    async endToken({ name, loginUrl }, token) {
      const of = { integration: name, tokenId: tokenIdOf(token), accessToken: token }
      await engine.revoker.endToken(loginUrl, of).catch((error: unknown) => {
        log.warn({ err: error, integration: name }, 'a token that is not wanted could not be ended')
      })
    },
  })
  const claim = createClaim({ connections, now })
  const end = createEnd({ connections, audit, onEnded: meter.ended, now, log })
  const schedule = createDeviceSchedule({ documents, now, turnMs: TURN_MS })
  const shared = { connections, endpoint, finish, clientOf, claim, end, now }
  const webServerFlow =
    publicUrl === undefined
      ? undefined
      : createWebServerFlow({
          ...shared,
          redirectUri: `${publicUrl}/oauth/callback`,
          randomBytes,
        })
  const deviceFlow = createDeviceFlow({ ...shared, schedule, uniqueId, log })
  const poller = createDevicePoller({ schedule, flow: deviceFlow, audit, runtime, log })

  return {
    registerCallback(server) {
      registerCallbackRoute(server, {
        flow: webServerFlow,
        audit,
        onRefused: meter.callbackRefused,
      })
    },
    registerRoutes(guarded, confirm) {
      registerConnectionRoutes(guarded, {
        ...{ integrations, connections, webServerFlow, deviceFlow, clientOf, familyOf, audit, now },
        confirm,
        disconnect: createDisconnect({ connections, end, custody: engine.custody }),
      })
    },
    start: poller.start,
    stop: poller.stop,
  }
}
