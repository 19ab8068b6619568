/** Composes the flows by which people at Salesforce connect integrations. */
import { randomBytes } from 'node:crypto'
import type { AuditLog } from '../audit/log.ts'
import type { Confirm } from '../callers/index.ts'
import type { PermissionResolver } from '../callers/permission-resolver.ts'
import type { FreezeGate } from '../freezes/freeze-gate.ts'
import type { TokenAnswer } from '../grants/token-endpoint/token-answer.ts'
import type { Server } from '../http/server/server.ts'
import { createIdentityGuard } from '../identity/identity-guard.ts'
import { createPinStore } from '../identity/pin-store.ts'
import type { Integrations } from '../integrations/compose.ts'
import type { Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import type { Core } from '../store/core.ts'
import type { StoreEvents } from '../store/store-events.ts'
import { wakeByDocuments } from '../store/stream/wakes.ts'
import type { LeaseEngine } from '../tokens/compose.ts'
import { tokenIdOf } from '../tokens/serve/lease.ts'
import { createBeginConnection } from './begin.ts'
import { registerCallbackRoute } from './callback-route.ts'
import { createClientOf } from './client.ts'
import { type ConnectionStatus, type Flow, hasConnectionEnded } from './connection.ts'
import { createConnectionKeys } from './connection-keys.ts'
import { createConnectionStore } from './connection-store.ts'
import { createDeviceFlow, TURN_MS } from './device-flow.ts'
import { createDevicePoller } from './device-poller.ts'
import { createDeviceSchedule, DEVICE_POLL_KIND } from './device-schedule.ts'
import { createClaim, createDisconnect, createEnd } from './end.ts'
import { createFinish } from './finish.ts'
import { registerConnectionRoutes } from './routes.ts'
import { createWebServerFlow } from './web-server-flow.ts'
export type Connections = ReturnType<typeof composeConnections>

export function composeConnections(dependencies: {
  readonly core: Core<StoreEvents>
  readonly integrations: IntegrationStore & Pick<Integrations, 'outside'>
  readonly engine: Pick<LeaseEngine, 'custody' | 'revoker' | 'grants'>
  readonly permissions: PermissionResolver
  readonly freezes: Pick<FreezeGate, 'require' | 'of'>
  readonly audit: AuditLog
  readonly meter: {
    ended(flow: Flow, status: ConnectionStatus): void
    callbackRefused(): void
  }
  /** Origin of this service for browsers. */
  readonly publicUrl: string | undefined
}) {
  const { core, integrations, engine, permissions, freezes, audit, meter, publicUrl } = dependencies
  const { store, keyring, runtime, log } = core
  const { now } = runtime
  const { grants } = engine
  const { documents } = store
  const { endpoint } = grants
  const stored = createConnectionStore({ documents, keyring })
  const clientOf = createClientOf({ integrations, grants, outside: integrations.outside })
  const guard = createIdentityGuard({ pins: createPinStore(documents), audit, now, log })

  const familyOf = async ({ name, uid }: Pick<Integration, 'name' | 'uid'>) => {
    const { record } = await store.custody.read(name)
    return record?.uid === uid ? record.family : null
  }

  const finish = createFinish({
    integrations,
    permissions,
    identity: {
      check: async (integration: Integration, answer: TokenAnswer) =>
        guard.check(integration, answer, await guard.known(integration)),
    },
    custody: { begin: (integration, fresh) => engine.custody.begin(integration, fresh) },
    isFrozen: async (integration) => (await freezes.of(integration)).length > 0,
    isOver: async ({ id }) => hasConnectionEnded((await stored.read(id))?.connection),
    async endToken({ name, loginUrl }, token, key) {
      const dpop = key && { key }
      const of = {
        integration: name,
        tokenId: tokenIdOf(token),
        accessToken: token,
        ...(dpop && { dpop }),
      }
      await engine.revoker.endToken(loginUrl, of).catch((error: unknown) => {
        log.warn({ err: error, integration: name }, 'an unwanted token could not be revoked')
      })
    },
  })
  const connections = {
    ...stored,
    claim: createClaim({ connections: stored, now }),
    end: createEnd({ connections: stored, audit, onEnded: meter.ended, now, log }),
  }
  const schedule = createDeviceSchedule({ documents, now, turnMs: TURN_MS })
  const dpopKeyFor = createConnectionKeys({ integrations, signers: grants.signers })
  const shared = { connections, endpoint, finish, clientOf }
  const webServerFlow =
    publicUrl === undefined
      ? undefined
      : createWebServerFlow({
          ...shared,
          redirectUri: `${publicUrl}/oauth/callback`,
          ...{ randomBytes, now },
        })
  const deviceFlow = createDeviceFlow({ ...shared, schedule, runtime, log })
  const begin = createBeginConnection({
    ...{ webServerFlow, deviceFlow, clientOf, dpopKeyFor, familyOf },
  })
  const poller = createDevicePoller({ schedule, flow: deviceFlow, audit, runtime, log })
  wakeByDocuments(core, poller, DEVICE_POLL_KIND)

  return {
    /** Registers the public route. */
    registerCallback(server: Server): void {
      registerCallbackRoute(server, {
        flow: webServerFlow,
        audit,
        onRefused: meter.callbackRefused,
      })
    },
    registerRoutes(guarded: Server, confirm: Confirm): void {
      registerConnectionRoutes(guarded, {
        ...{ integrations, connections, audit, confirm, now },
        async begin(flow, asked) {
          await freezes.require(asked.integration)
          return begin(flow, asked)
        },
        disconnect: createDisconnect({ connections, custody: engine.custody }),
      })
    },
    start: poller.start,
    stop: poller.stop,
  }
}
