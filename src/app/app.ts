/** The order of start and stop: builds every part once, from the store to the routes. */
import type { Server as HttpsServer } from 'node:https'
import type { AuditEvents } from '../audit/event.ts'
import { denialOf } from '../audit/guard.ts'
import { createAuditLog } from '../audit/log.ts'
import { createAuditWriter } from '../audit/output/writer.ts'
import { registerAuditRoutes } from '../audit/routes.ts'
import { createAuditSearch } from '../audit/search.ts'
import type { CallerEvents } from '../callers/api-key-store.ts'
import { outsiderOf, refusalCodeOf } from '../callers/authentication/authenticator.ts'
import { composeCallers } from '../callers/compose.ts'
import { tellingGate } from '../callers/index.ts'
import { composeConfiguration } from '../config/compose.ts'
import { readSigners } from '../config/signers-file.ts'
import { composeConnections } from '../connections/compose.ts'
import { grantTrouble, refreshTokenTrouble } from '../custody/refresh-token-rule.ts'
import { composeDoors } from '../doors/compose.ts'
import { composeSoap } from '../doors/soap/compose.ts'
import { createUserInfoSource } from '../doors/soap/user-info-source.ts'
import { composeFreezeGate, composeFreezes } from '../freezes/compose.ts'
import { composeSalesforce } from '../grants/salesforce.ts'
import { composeServer } from '../http/server/api-server.ts'
import type { Server, ServerOptions } from '../http/server/server.ts'
import { composeIntegrations } from '../integrations/compose.ts'
import type { IntegrationEvents } from '../integrations/integration-events.ts'
import { sealRequiresCodes } from '../integrations/integration-store.ts'
import { createIndexer } from '../integrations/listing/indexer.ts'
import { problemShownTo } from '../integrations/references/visible.ts'
import { composeKeyring } from '../keyring/compose.ts'
import type { MetricsListener } from '../metrics/listener.ts'
import { composeMetering } from '../metrics/meters.ts'
import { composeRotation } from '../rotation/compose.ts'
import { createEvents } from '../runtime/events.ts'
import { readinessOf } from '../service/readiness.ts'
import { composeSigners } from '../signers/compose.ts'
import { NO_WRAPPERS } from '../signers/wrapping/wrapping.ts'
import { composeStatusPage } from '../status/compose.ts'
import { createChangeSubscription } from '../store/change-subscription.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import { watchStore } from '../store/integrity/watched-store.ts'
import { createPace } from '../store/pace.ts'
import type { StoreEvents } from '../store/store-events.ts'
import { composeLeaseEngine } from '../tokens/compose.ts'
import { composeDoorHandOut } from '../tokens/look/compose.ts'
import { registerOAuthRoutes } from '../tokens/oauth/oauth-routes.ts'
import { composeProofs } from '../tokens/prove/compose.ts'
import type { TokenEvents } from '../tokens/token-events.ts'
import { composeUsage } from '../usage/compose.ts'
import { createProofUsage } from '../usage/proof-usage.ts'
import { composeWebhooks } from '../webhooks/compose.ts'
import type { AppDependencies } from './app-dependencies.ts'
import {
  registerCredentialParts,
  registerExposure,
  registerGateway,
  registerGuarded,
  registerIntegrationParts,
  registerPublicRoutes,
  registerServiceParts,
  registerTokenParts,
} from './routes.ts'
import { composeStoreAge } from './store-age.ts'

type AppEvents = StoreEvents & AuditEvents & CallerEvents & IntegrationEvents & TokenEvents

export interface App {
  readonly server: Server
  /** Absent: metrics are off. The caller starts listening. */
  readonly metrics: MetricsListener | undefined
  /** Starts to read the change stream, and applies the configuration file. The caller starts listening. */
  start(): void
  /** Reads the configuration file again. */
  reload(): Promise<void>
  /** Ends readiness, completes requests and mints, and closes connections. */
  stop(): Promise<void>
}

interface Part {
  start?(): void
  stop?(): unknown
}

/** Throws `ConfigError` if the configuration file is invalid. */
export async function createApp(dependencies: AppDependencies): Promise<App> {
  const { config, log, runtime, tracing, environment } = dependencies
  const { keyring, adminKeys, dataKeys = NO_DATA_KEYS } = dependencies.keys
  const { version, readFile, tls, lookup, drainTimes, droppedLogLines = () => 0 } = environment
  const { publicUrl } = config
  const stopping = new AbortController()
  const { monotonic } = runtime
  const events = createEvents<AppEvents>()

  const kind = config.redisUrl ? 'redis' : 'embedded'
  const metering = composeMetering({ version, engine: kind, tracing, runtime, log })
  events.on('record.corrupt', metering.corrupt)
  const pace = createPace({ monotonic, log })
  const measured = metering.store(dependencies.store, pace)
  const watched = watchStore({
    ...{ store: measured, macs: keyring.macs, unproven: config.unprovenRecords },
    sealRequires: (record) => sealRequiresCodes(keyring, record),
    ...{ events, runtime, log },
  })
  const { store, requirement } = watched
  const core = { runtime, log, events, store, keyring, stopping: stopping.signal }

  const writer = createAuditWriter({ output: environment.auditOutput, monotonic, log })
  const audit = createAuditLog({ writer, store, mode: config.audit, events, runtime, log })
  const signers = composeSigners({
    settings: readSigners(config.signersFile, readFile),
    ...{ meter: metering.signers, runtime, log },
  })
  const salesforce = composeSalesforce({
    ...{ settings: config, lookup, watched: metering.outbound, stopping: stopping.signal },
    ...{ proofs: { signers, changes: store.changes }, runtime, log },
  })
  events.on('store.changed', salesforce.nonces.heard)
  const { hosts, proxy, outbound, endpoint } = salesforce

  const integrations = composeIntegrations({
    ...{ core, audit, signers, hosts, grantTrouble: grantTrouble(config) },
    requiresCodes: () => requirement.stage() === 'b',
  })
  const subscription = createChangeSubscription({ changes: store.changes, events, runtime, log })
  const memory = {
    ...{ stream: subscription, monotonic: runtime.monotonic, isSlow: pace.isSlow },
    degradedMs: config.degradedMs,
  }
  const age = composeStoreAge(config, log)
  const gateOfFreezes = composeFreezeGate(core, memory)
  const engine = composeLeaseEngine({
    ...{ core, audit, meter: metering.engine, integrations },
    memory: { ...memory, freezes: gateOfFreezes },
    salesforce: { endpoint, signers },
    refreshTokens: { trouble: refreshTokenTrouble(config), age },
  })
  const { revoker, custody } = engine
  const freezes = composeFreezes({
    ...{ core, gate: gateOfFreezes, integrations, tokens: engine.frozen, custody, audit },
  })
  const indexer = createIndexer({
    ...{ listing: store.listing, read: integrations.read, entryOf: engine.status.entryOf },
    ...{ events, runtime, log },
  })

  const loader = composeConfiguration({
    ...{ path: config.configFile, readFile, integrations, revoker, audit, core },
    meter: metering.file,
  })
  loader?.read()
  const callers = composeCallers({
    ...{ core, adminKeys, memory, proxy },
    declared: {
      issuers: () => loader?.issuers() ?? NONE,
      callers: () => loader?.callers() ?? NONE,
    },
  })
  const { permissions } = callers

  const rotation = composeRotation({
    ...{ core, integrations, engine, salesforce, permissions, publicUrl, audit },
    freezes: gateOfFreezes,
    readsSecrets: signers.readsSecrets,
  })
  const connections = composeConnections({
    ...{ core, integrations, engine, permissions, audit, meter: metering.connections, publicUrl },
    freezes: gateOfFreezes,
  })
  const seals = composeKeyring({ core, engine: measured, requirement, dataKeys, audit })
  const webhooks = composeWebhooks({
    ...{ core, settings: config, integrations, proxy, meter: metering.webhooks },
  })
  const counts = composeUsage({ core, engine, integrations, audit, settings: config, metering })
  const search = createAuditSearch({
    events: store.events,
    labelsOf: async (name) => (await unlessUnusable(integrations.read(name)))?.labels,
  })

  const onProblem: NonNullable<ServerOptions['onProblem']> = (error, request) => {
    const denial = denialOf(request, error.code, outsiderOf(error))
    if (denial) audit.denied(denial)
    metering.problem(error, request)
    const reason = refusalCodeOf(error)
    if (reason) request.log.info({ req: request, reason }, 'a credential was refused')
    return problemShownTo(request.principal, error)
  }
  const { trustProxy, connectionsPerAddress } = config
  const { server, drain, trust } = composeServer(
    { ...{ logger: log, trustProxy, tls, onProblem }, limits: { connectionsPerAddress } },
    log,
  )
  const readiness = () =>
    readinessOf({
      hasBeenRead: subscription.hasBeenRead() && store.wasReached(),
      isCurrent: subscription.isCurrent(),
      isSlow: pace.isSlow(),
      isStopping: stopping.signal.aborted,
      isAuditBlocked: audit.isBlocked(),
      store: { ...watched.state(), age: engine.age.age() },
      keyringTrouble: seals.trouble(),
      unproven: seals.unproven(),
      issuers: callers.issuers(),
      ...(signers.readsSecrets && { unreadSecrets: rotation.unreadSecrets() }),
    })
  metering.requests(server)
  metering.observe({
    ...{ engine, subscription, store, integrations, readiness, audit: writer, droppedLogLines },
    waitingWebhooks: webhooks.waiting,
    storeTroubles: store.troubleCounts,
    freezes: gateOfFreezes.count,
    corruptRecords: () => watched.corrupt().length,
  })
  const status = composeStatusPage({
    ...{ core, settings: config, callers, audit, onProblem },
    shown: { integrations, engine, freezes, indexer, counts, seals, readiness },
  })
  await registerPublicRoutes(server, {
    ...{ version, docs: config.docs, readiness, connections, status },
  })
  const { gate, strangers } = callers
  const doorkeeping = composeDoorHandOut({
    ...{ core, engine, audit, onRead: counts.note, meter: metering.engine },
    isFleet: kind === 'redis',
  })
  const { handOut } = doorkeeping
  const telling = tellingGate(gate, trust)
  await registerOAuthRoutes(server, { handOut, gate: telling, onProblem })
  const doors = {
    ...{ doorkeeping, engine, audit, onProblem, now: runtime.now },
    callers: { gate: telling, strangers },
  }
  await composeDoors(server, { ...doors, publicUrl })
  const userInfo = createUserInfoSource({ outbound, hosts, monotonic, log })
  await composeSoap(server, { ...doors, soap: { isOn: config.soapLogin, userInfo } })
  const proofs = composeProofs({
    ...{ salesforce, signers, runtime, audit, known: engine.cache.known },
    meter: createProofUsage({ counts, count: metering.proof, now: runtime.now }),
  })
  await registerGateway(server, {
    ...{ engine, proofs, counts, audit, guard: { gate, trust, onProblem }, now: runtime.now },
  })
  await registerGuarded(server, { gate, trust, audit }, (guarded) => {
    registerTokenParts(guarded, { core, engine, integrations, salesforce, counts, audit, gate })
    registerServiceParts(guarded, { callers, watched, engine, seals, integrations, counts, audit })
    freezes.registerRoutes(guarded, audit)
    registerExposure(guarded, { core, integrations, counts, engine, freezes })
    registerAuditRoutes(guarded, { search })
    registerCredentialParts(guarded, {
      ...{ config, core, connections, rotation, integrations, audit, gate },
    })
    registerIntegrationParts(guarded, {
      ...{ core, indexer, engine, salesforce, audit, gate },
      integrations: { ...integrations, secretTrouble: rotation.secretTrouble },
    })
  })
  await server.ready()

  const metrics = config.metricsPort === 0 ? undefined : metering.listener
  /** In the order of start. They are stopped in reverse order. */
  const parts: readonly (Part | undefined)[] = [
    { stop: store.close },
    watched,
    { ...(metrics && { start: metering.start }), stop: metering.stop },
    { stop: outbound.close },
    signers,
    { stop: dataKeys.wrappers.stop },
    { start: audit.start, stop: audit.close },
    status,
    webhooks,
    counts,
    subscription,
    engine,
    indexer,
    freezes,
    seals,
    rotation,
    connections,
    callers,
    loader,
    { stop: () => server.close() },
    tls && { start: () => tls.follow(server.server as HttpsServer), stop: tls.stop },
    { stop: async () => drainTimes && drain.run(drainTimes) },
    { stop: () => stopping.abort() },
  ]
  return {
    server,
    metrics,
    start() {
      for (const part of parts) part?.start?.()
    },
    async reload() {
      await loader?.reload()
    },
    async stop() {
      for (const part of parts.toReversed()) await part?.stop?.()
    },
  }
}

const NONE: readonly never[] = []
const NO_DATA_KEYS = { opened: NONE, wrappers: NO_WRAPPERS }
