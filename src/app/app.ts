/** The composition root: builds every object once, wires them, and gives back what starts and stops. */

import type { Server as HttpsServer } from 'node:https'
import { denialOf, refuseWhileBlocked } from '../audit/guard.ts'
import { createAuditLog } from '../audit/log.ts'
import { createAuditWriter } from '../audit/output/writer.ts'
import { registerAuditRoutes } from '../audit/routes.ts'
import { createAuditSearch } from '../audit/search.ts'
import { refusalCodeOf } from '../callers/authentication/authenticator.ts'
import { requireCaller } from '../callers/index.ts'
import { createIntake } from '../credentials/intake.ts'
import { registerRefusalPages } from '../grants/refusals/refusal-pages.ts'
import { describeApi, serveApiDescription } from '../http/openapi/openapi.ts'
import { registerPublicPages } from '../http/pages/front-page.ts'
import { registerHealth } from '../http/server/health.ts'
import type { Server, ServerOptions } from '../http/server/server.ts'
import type { Integration } from '../integrations/integration.ts'
import { createIntegrationStore, integrationOf } from '../integrations/integration-store.ts'
import { createRegistry } from '../integrations/registry.ts'
import { registerIntegrationRoutes } from '../integrations/routes.ts'
import type { MetricsListener } from '../metrics/listener.ts'
import { composeMetering } from '../metrics/meters.ts'
import { registerCredentialRoutes } from '../rotation/routes.ts'
import { createRuntime } from '../runtime/runtime.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import { createPace } from '../store/pace.ts'
import { createTokenCheck } from '../tokens/check/token-check.ts'
import { registerTokenCheckRoutes } from '../tokens/check/token-check-routes.ts'
import { registerOAuthRoutes } from '../tokens/oauth/oauth-routes.ts'
import { createDropDependents } from '../tokens/revoke/dependents.ts'
import { registerTokenRoutes } from '../tokens/serve/routes.ts'
import { createCallerCounts } from '../usage/caller-counts.ts'
import { registerCallerCountsRoutes } from '../usage/caller-counts-routes.ts'
import type { AppDependencies } from './app-dependencies.ts'
import { composeCallers } from './callers.ts'
import { composeConfiguration } from './configuration.ts'
import { tellUnconfirmed } from './confirmed-answers.ts'
import { composeConnections } from './connections.ts'
import { composeKeyring } from './keyring.ts'
import { composeLeaseEngine } from './lease-engine.ts'
import { registerOperatorRoutes } from './operators.ts'
import { readinessOf } from './readiness.ts'
import { grantTrouble, refreshTokenTrouble } from './refresh-token-rule.ts'
import { composeRotation } from './rotation.ts'
import { composeSalesforce } from './salesforce.ts'
import { composeServer } from './server.ts'
import { composeStoreAge } from './store-age.ts'
import { watchStore } from './watched-store.ts'
import { composeWebhooks } from './webhooks.ts'

export interface App {
  readonly server: Server
  /** Absent where it is turned off. Listening is the caller's. */
  readonly metrics: MetricsListener | undefined
  /** Begins to hear the store, and applies what the configuration file declares. Listening is the caller's. */
  start(): void
  /** Reads the configuration file again. */
  reload(): Promise<void>
  /** Readiness off, requests in flight answered, mints in flight ended, connections closed. */
  stop(): Promise<void>
}

/** Throws `ConfigError` where the configuration file is wrong. */
export async function createApp(dependencies: AppDependencies): Promise<App> {
  const { config, log, keyring, adminKeys, tls, version, readFile } = dependencies
  const stopping = new AbortController()
  const runtime = createRuntime(dependencies)
  const { now, monotonic, uniqueId } = runtime
  const engineName = config.redisUrl ? 'redis' : 'embedded'
  const { lookup, tracing } = dependencies
  const metering = composeMetering({ version, engine: engineName, tracing, now, monotonic, log })
  const onRewound = () => engine.storeRewound()
  const pace = createPace({ monotonic, log })
  const { isSlow } = pace
  const measured = metering.store(dependencies.store, pace)
  const watched = watchStore({
    ...{ store: measured, keyring, onRewound, runtime, log },
    unproven: config.unprovenRecords,
    onCorrupt: metering.corrupt,
    onOutcome: (change) => engine.cache.heard(change),
  })
  const { store, requirement } = watched

  const writer = createAuditWriter({ output: dependencies.auditOutput, monotonic, log })
  const audit = createAuditLog({
    ...{ writer, mode: config.audit, runtime, log },
    events: store.events,
    onHappening: (by, happening) => webhooks.note(by, happening),
  })

  const salesforce = composeSalesforce({
    ...{ config, lookup, watched: metering.outbound, stopping: stopping.signal, now, log },
  })
  const { hosts, proxy, outbound, endpoint } = salesforce

  const integrations = createIntegrationStore({
    records: store.integrations,
    keyring,
    requiresCodes: () => requirement.stage() === 'b',
    async onWritten(name, record) {
      engine.cache.written(name, record?.rev)
      if (!record) return
      rotation.erasure.watch(integrationOf(record))
      await engine.followDefinition(integrationOf(record))
    },
  })
  const intake = createIntake({ now, uniqueId })
  const onOtherTokens = createDropDependents({ integrations, outcomes: store.outcomes, log })
  const rules = { intake, hosts, grantTrouble: grantTrouble(config), onOtherTokens, runtime }
  const registry = createRegistry({ store: integrations, ...rules })
  const webhooks = composeWebhooks({
    ...{ config, store, integrations, proxy, runtime, log },
    meter: metering.webhooks,
  })
  const engine = composeLeaseEngine({
    ...{ store, keyring, endpoint, audit, log, runtime },
    meter: metering.engine,
    ...{ isSlow, storelessMs: config.storelessMs },
    refreshTokenTrouble: refreshTokenTrouble(config),
    storeAge: composeStoreAge(config, log),
    readSealed: integrations.readSealed,
    promotion: {
      promote: (owner, stagedId) => rotation.promotion.promote(owner, stagedId),
      activeRefused: (owner) => rotation.promotion.activeRefused(owner),
      outdated: (follower) => rotation.promotion.outdated(follower),
    },
    onChange(change) {
      callers.heard(change)
      webhooks.heard(change)
    },
    onGap: () => callers.distrust(),
    stopping: stopping.signal,
  })
  const rotation = composeRotation({
    ...{ integrations, intake, store, engine, audit, log, runtime },
    metadata: salesforce.metadata,
    credentials: salesforce.credentials,
    publicUrl: config.publicUrl,
    standing: { permitsOf: (asker) => callers.standing.permitsOf(asker) },
  })
  const seals = composeKeyring({
    ...{ keyring, store, engine: measured, requirement, audit, runtime, log },
  })
  const { statusOf } = engine.status
  const { broker, revoker, hearing } = engine
  const counts = createCallerCounts({ documents: store.documents, runtime, log })
  const search = createAuditSearch({
    events: store.events,
    labelsOf: async (name) => (await unlessUnusable(integrations.read(name)))?.labels,
  })
  const loader = composeConfiguration({
    ...{ ...rules, readFile, revoker, audit, log },
    path: config.configFile,
    store: integrations,
    meter: metering.file,
  })
  loader?.read()
  const callers = composeCallers({
    ...{ adminKeys, store, hearing, audit, proxy, runtime, log },
    ...{ isSlow, storelessMs: config.storelessMs },
    issuers: () => loader?.issuers() ?? NONE,
    callers: () => loader?.callers() ?? NONE,
  })

  const connections = composeConnections({
    ...{ store, keyring, integrations, engine, audit, runtime, log },
    ...{ grants: engine.grants, standing: callers.standing },
    meter: metering.connections,
    publicUrl: config.publicUrl,
  })

  const onProblem: ServerOptions['onProblem'] = (error, request) => {
    const denial = denialOf(request, error.code)
    if (denial) audit.denied(denial)
    metering.problem(error, request)
    const reason = refusalCodeOf(error)
    if (reason) request.log.info({ req: request, reason }, 'a credential was refused')
  }
  const { server, drain, trust } = composeServer({ config, log, tls, onProblem })
  metering.requests(server)
  await describeApi(server, version)
  if (config.docs) serveApiDescription(server)
  const readiness = () =>
    readinessOf({
      hasHeard: hearing.hasHeard() && store.wasReached(),
      isHearing: hearing.isHearing(),
      isSlow: isSlow(),
      isStopping: stopping.signal.aborted,
      isAuditBlocked: audit.isBlocked(),
      store: { ...watched.state(), age: engine.age.age() },
      keyringTrouble: seals.trouble(),
      unproven: seals.unproven(),
      issuers: callers.issuers(),
    })
  registerHealth(server, readiness)
  metering.observe({
    ...{ engine, store, integrations, readiness, audit: writer },
    droppedLogLines: dependencies.droppedLogLines ?? (() => 0),
    waitingWebhooks: webhooks.waiting,
    storeTroubles: store.troubleCounts,
    corruptRecords: () => watched.corrupt().length,
  })
  registerRefusalPages(server)
  registerPublicPages(server, { version, docs: config.docs })
  const onRead = counts.note
  const { confirm, identify } = callers.gate
  connections.registerCallback(server)
  await registerOAuthRoutes(server, { broker, gate: callers.gate, audit, onRead, onProblem, now })
  await server.register(async (scope) => {
    const guarded = scope as Server
    requireCaller(guarded, callers.gate, trust)
    refuseWhileBlocked(guarded, audit)
    tellUnconfirmed(guarded)
    registerTokenRoutes(guarded, { broker, revoker, integrations, audit, onRead, identify, now })
    registerTokenCheckRoutes(guarded, {
      ...{ broker, integrations, audit, identify },
      check: createTokenCheck({ endpoint: salesforce.endpoint, monotonic }),
    })
    callers.registerRoutes(guarded)
    watched.registerRoutes(guarded, { audit, acceptAge: engine.age.accept })
    seals.registerRoutes(guarded)
    registerCallerCountsRoutes(guarded, { integrations, counts })
    registerAuditRoutes(guarded, { search })
    connections.registerRoutes(guarded, confirm)
    registerCredentialRoutes(guarded, { integrations, ...rotation, audit, confirm, now })
    registerOperatorRoutes(guarded, {
      ...{ integrations, store, audit, confirm, doctorMint: engine.doctorMint },
      ...{ publicUrl: config.publicUrl, egressAddresses: config.egressAddresses },
      doctor: {
        ...{ outbound, hosts, now, monotonic },
        ...{ grants: engine.grants, clock: salesforce.clock },
      },
    })
    registerIntegrationRoutes(guarded, {
      ...{ registry, store: integrations, statusOf, audit, confirm, monotonic },
      revoke: (integration: Integration) => revoker.revokeUnlessShared(integration),
    })
  })
  await server.ready()

  const metrics = config.metricsPort === 0 ? undefined : metering.listener
  return {
    server,
    metrics,
    start() {
      audit.start()
      counts.start()
      watched.start()
      engine.start()
      webhooks.start()
      rotation.start()
      seals.start()
      callers.start()
      connections.start()
      loader?.start()
      if (metrics) metering.start()
      tls?.follow(server.server as HttpsServer)
    },
    async reload() {
      await loader?.reload()
    },
    async stop() {
      stopping.abort()
      if (dependencies.drainTimes) await drain.run(dependencies.drainTimes)
      await tls?.stop()
      await server.close()
      await loader?.stop()
      await callers.stop()
      await connections.stop()
      await rotation.stop()
      await seals.stop()
      await engine.stop()
      await webhooks.stop()
      await counts.stop()
      await audit.close()
      await outbound.close()
      await metering.stop()
      await watched.stop()
      await store.close()
    },
  }
}

const NONE: readonly never[] = []
