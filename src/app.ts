/** The composition root: builds every object once, wires them, and gives back what starts and stops. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { readinessOf } from './app/readiness.ts'
import { NOBODY } from './audit/event.ts'
import { denialOf, refuseWhileBlocked } from './audit/guard.ts'
import type { LineOutput } from './audit/line-output.ts'
import { createAuditLog } from './audit/log.ts'
import { registerAuditRoutes } from './audit/routes.ts'
import { createAuditSearch } from './audit/search.ts'
import { createAuditWriter } from './audit/writer.ts'
import { createAdminKeyAuthenticator } from './callers/admin-key.ts'
import { createGate, requireCaller } from './callers/index.ts'
import { createThrottle } from './callers/throttle.ts'
import { appliedEvent } from './config/applied-event.ts'
import { createConfigurationLoader } from './config/loader.ts'
import type { Config } from './config.ts'
import { createIntake } from './credentials/intake.ts'
import type { Keyring } from './crypto/keyring.ts'
import type { Secret } from './crypto/secret.ts'
import { createTokenEndpoint } from './grants/token-endpoint.ts'
import { registerHealth } from './http/health.ts'
import { createHostRules } from './http/login-host.ts'
import { describeApi, serveApiDescription } from './http/openapi.ts'
import { createOutbound, type OutboundDependencies } from './http/outbound.ts'
import { registerProblemPages } from './http/problem-pages.ts'
import { createServer, type Server } from './http/server.ts'
import { createDeclaredIntegrations } from './integrations/declared.ts'
import type { Integration } from './integrations/integration.ts'
import { createIntegrationStore } from './integrations/integration-store.ts'
import { createRegistry } from './integrations/registry.ts'
import { registerIntegrationRoutes } from './integrations/routes.ts'
import type { Logger } from './logger.ts'
import { registerCredentialRoutes } from './rotation/routes.ts'
import type { Store } from './store/store.ts'
import { createBroker } from './tokens/broker.ts'
import { createCallerCounts } from './tokens/caller-counts.ts'
import { registerCallerCountsRoutes } from './tokens/caller-counts-routes.ts'
import { createHearing } from './tokens/hearing.ts'
import { createLeaseCache } from './tokens/lease-cache.ts'
import { createLeaseStore } from './tokens/lease-store.ts'
import { createMinter } from './tokens/mint.ts'
import { refusedEvent } from './tokens/mint-event.ts'
import { createRevoker } from './tokens/revocation.ts'
import { registerTokenRoutes } from './tokens/routes.ts'
import { createSingleFlight } from './tokens/single-flight.ts'
import { createStatusReader } from './tokens/status.ts'
import { rememberSubject } from './tokens/subject.ts'

export interface App {
  readonly server: Server
  /** Begins to hear the store, and applies what the configuration file declares. Listening is the caller's. */
  start(): void
  /** Reads the configuration file again. */
  reload(): Promise<void>
  /** Readiness off, requests in flight answered, mints in flight ended, connections closed. */
  stop(): Promise<void>
}

export interface AppDependencies {
  readonly config: Config
  readonly log: Logger
  readonly store: Store
  readonly keyring: Keyring
  readonly adminKeys: readonly Secret[]
  readonly version: string
  /** Where audit lines go. */
  readonly auditOutput: LineOutput
  /** Of the configuration file and the files that it names. */
  readonly readFile: (path: string) => string
  /** For tests: time, chance and the network. */
  readonly now?: () => number
  readonly random?: () => number
  readonly lookup?: OutboundDependencies['lookup']
}

/** Throws `ConfigError` where the configuration file is wrong. */
export async function createApp(dependencies: AppDependencies): Promise<App> {
  const { config, log, store, keyring, adminKeys, version, readFile } = dependencies
  const now = dependencies.now ?? Date.now
  const random = dependencies.random ?? Math.random
  const monotonic = () => performance.now()
  const uniqueId = () => randomUUID()
  let stopping = false

  const audit = createAuditLog({
    writer: createAuditWriter({ output: dependencies.auditOutput, monotonic, log }),
    events: store.events,
    mode: config.audit,
    now,
    uniqueId,
    log,
  })

  const hosts = createHostRules(config.loginHosts)
  const outbound = createOutbound({
    hosts,
    ...(dependencies.lookup && { lookup: dependencies.lookup }),
    proxy: {
      ...(config.httpsProxy !== undefined && { httpsProxy: config.httpsProxy.reveal() }),
      ...(config.noProxy !== undefined && { noProxy: config.noProxy }),
    },
  })
  const endpoint = createTokenEndpoint({ outbound, hosts, now })

  const hearing = createHearing({
    changes: store.changes,
    now,
    monotonic,
    random,
    sleep: pause,
    onChange: (change) => cache.heard(change),
    onGap: () => cache.distrust(),
    onTrouble: (error) => log.warn({ err: error }, 'the change stream cannot be read'),
  })
  const leases = createLeaseStore({ outcomes: store.outcomes, keyring })
  const cache = createLeaseCache({
    hearing,
    open: (look, record) => leases.open(look, record),
    now,
  })

  const integrations = createIntegrationStore({
    records: store.integrations,
    keyring,
    onWritten: (name, record) =>
      record ? cache.heard({ type: 'integration', name, rev: record.rev }) : cache.forget(name),
  })
  const intake = createIntake({ now, uniqueId })
  const registry = createRegistry({
    store: integrations,
    intake,
    hosts,
    now,
    uniqueId,
  })
  const flights = createSingleFlight({ locks: store.locks, uniqueId, log })
  const minter = createMinter({
    integrations,
    grants: { endpoint, now, uniqueId },
    now,
    random,
    log,
  })
  const broker = createBroker({
    cache,
    outcomes: store.outcomes,
    leases,
    flights,
    minter,
    hearing,
    now,
    random,
    onMinted: (_entry, lease, by) => {
      const { integration, tokenId } = lease
      audit.background(by, { action: 'token.minted', integration, tokenId })
      rememberSubject(store.documents, lease).catch((error: unknown) => {
        log.warn(
          { err: error, integration: lease.integration },
          'the subject could not be remembered',
        )
      })
    },
    onRefused: (name, error, by) => audit.background(by, refusedEvent(name, error)),
  })
  const revoker = createRevoker({
    outcomes: store.outcomes,
    leases,
    endpoint,
    onRevoked: (tokenId) => cache.heard({ type: 'dead', tokenId }),
    log,
  })
  const counts = createCallerCounts({ documents: store.documents, now, log })
  const search = createAuditSearch({
    events: store.events,
    labelsOf: async (name) => (await integrations.read(name))?.labels,
  })
  const { statusOf } = createStatusReader({
    outcomes: store.outcomes,
    documents: store.documents,
    budgets: store.budgets,
    leases,
    now,
  })

  const loader =
    config.configFile === undefined
      ? undefined
      : createConfigurationLoader({
          path: config.configFile,
          readFile,
          declared: createDeclaredIntegrations({
            store: integrations,
            intake,
            hosts,
            now,
            uniqueId,
            revoke: async (integration) => {
              const revoked = await revoker.revokeUnlessShared(integration)
              for (const happening of revoked) audit.background(NOBODY, happening)
            },
          }),
          onApplied: async (applied) => {
            const happening = appliedEvent(applied)
            if (happening) audit.background(NOBODY, happening)
          },
          onReloaded: () =>
            audit.background(NOBODY, { action: 'config.applied', integration: null }),
          sleep: pause,
          log,
        })
  loader?.read()

  const gate = createGate({
    authenticators: [createAdminKeyAuthenticator(adminKeys)],
    throttle: createThrottle({ budgets: store.budgets, now, log }),
  })

  const server = createServer({
    logger: log,
    trustProxy: config.trustProxy,
    onProblem: ({ code }, request) => {
      const denial = denialOf(request, code)
      if (denial) audit.denied(denial)
    },
  })
  await describeApi(server, version)
  if (config.docs) await serveApiDescription(server)
  registerHealth(server, () =>
    readinessOf({
      hasHeard: hearing.hasHeard(),
      isHearing: hearing.isHearing(),
      isStopping: stopping,
      isAuditBlocked: audit.isBlocked(),
    }),
  )
  registerProblemPages(server)
  await server.register(async (scope) => {
    const guarded = scope as Server
    requireCaller(guarded, gate)
    refuseWhileBlocked(guarded, audit)
    registerTokenRoutes(guarded, {
      broker,
      revoker,
      integrations,
      audit,
      onRead: counts.note,
      now,
    })
    registerCallerCountsRoutes(guarded, { integrations, counts })
    registerAuditRoutes(guarded, { search })
    registerCredentialRoutes(guarded, { integrations })
    registerIntegrationRoutes(guarded, {
      registry,
      store: integrations,
      statusOf,
      revoke: (integration: Integration) => revoker.revokeUnlessShared(integration),
      audit,
    })
  })
  await server.ready()

  return {
    server,
    start() {
      audit.start()
      counts.start()
      hearing.start()
      loader?.start()
    },
    async reload() {
      await loader?.reload()
    },
    async stop() {
      stopping = true
      await server.close()
      await loader?.stop()
      await flights.settled()
      await hearing.stop()
      await counts.stop()
      await audit.close()
      await outbound.close()
      await store.close()
    },
  }
}

/** Ends early, and without a failure, when the signal does. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
