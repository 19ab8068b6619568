/** Registers the routes in groups; `app.ts` calls them in the order of the API's description. */
import { refuseWhileBlocked } from '../audit/guard.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Callers } from '../callers/compose.ts'
import { requireCaller } from '../callers/index.ts'
import type { Config } from '../config/config.ts'
import type { Connections } from '../connections/compose.ts'
import { createDoctor } from '../doctor/doctor.ts'
import { createDoctorService } from '../doctor/doctor-service.ts'
import { createDpopProber } from '../doctor/dpop/prober.ts'
import { registerDpopProbeRoutes } from '../doctor/dpop/routes.ts'
import { registerDoctorRoutes } from '../doctor/routes.ts'
import type { Freezing } from '../freezes/freezing.ts'
import { identifyBy, registerGatewayRoutes } from '../gateway/routes.ts'
import { registerRefusalPages } from '../grants/refusals/refusal-pages.ts'
import type { Salesforce } from '../grants/salesforce.ts'
import { describeApi, serveApiDescription } from '../http/openapi/openapi.ts'
import { registerPublicPages } from '../http/pages/front-page.ts'
import type { ApiServer } from '../http/server/api-server.ts'
import { type Readiness, registerHealth } from '../http/server/health.ts'
import type { Server, ServerOptions } from '../http/server/server.ts'
import { createIdentityAcceptance } from '../identity/identity-acceptance.ts'
import { registerIdentityRoutes } from '../identity/identity-routes.ts'
import { createPinStore } from '../identity/pin-store.ts'
import type { Integrations } from '../integrations/compose.ts'
import { createCandidates } from '../integrations/listing/candidates.ts'
import type { Indexer } from '../integrations/listing/indexer.ts'
import { registerSummaryRoute } from '../integrations/listing/summary-route.ts'
import { createRegistry } from '../integrations/registry.ts'
import { registerIntegrationRoutes } from '../integrations/routes.ts'
import type { KeyringCare } from '../keyring/compose.ts'
import type { Rotation } from '../rotation/compose.ts'
import { registerCredentialRoutes } from '../rotation/routes.ts'
import { tellUnconfirmed } from '../service/confirmed-answers.ts'
import { registerStoreRoutes } from '../service/store-routes.ts'
import { registerSetupRoutes } from '../setup/routes.ts'
import type { StatusPage } from '../status/compose.ts'
import type { Core } from '../store/core.ts'
import type { WatchedStore } from '../store/integrity/watched-store.ts'
import { createTokenCheck } from '../tokens/check/token-check.ts'
import { registerTokenCheckRoutes } from '../tokens/check/token-check-routes.ts'
import type { LeaseEngine } from '../tokens/compose.ts'
import type { ProofParts } from '../tokens/prove/compose.ts'
import { identifyProver, registerProofRoutes } from '../tokens/prove/routes.ts'
import { createHandOut, registerTokenRoutes } from '../tokens/serve/routes.ts'
import type { CallerCounts } from '../usage/caller-counts.ts'
import { registerCallerCountsRoutes } from '../usage/caller-counts-routes.ts'
import { createExposure } from '../usage/exposure.ts'
import { registerExposureRoutes } from '../usage/exposure-routes.ts'

interface PublicRouteDependencies {
  readonly version: string
  /** Whether the description of the API is served. */
  readonly docs: boolean
  readonly readiness: () => Readiness
  readonly connections: Pick<Connections, 'registerCallback'>
  readonly status: Pick<StatusPage, 'register'> | undefined
}

/** Routes that need no caller, and the page where people sign in. */
export async function registerPublicRoutes(
  server: Server,
  { version, docs, readiness, connections, status }: PublicRouteDependencies,
): Promise<void> {
  await describeApi(server, version)
  if (docs) serveApiDescription(server)
  registerHealth(server, readiness)
  registerRefusalPages(server)
  registerPublicPages(server, { version, docs, status: status !== undefined })
  connections.registerCallback(server)
  await status?.register(server)
}

interface GuardDependencies {
  readonly gate: Callers['gate']
  readonly trust: ApiServer['trust']
  readonly audit: AuditLog
}

/** Registers routes behind the guard: each of their requests has a proven caller. */
export async function registerGuarded(
  server: Server,
  { gate, trust, audit }: GuardDependencies,
  register: (guarded: Server) => void,
): Promise<void> {
  await server.register(async (scope) => {
    const guarded = scope as Server
    requireCaller(guarded, gate, trust)
    refuseWhileBlocked(guarded, audit)
    tellUnconfirmed(guarded)
    register(guarded)
  })
}

interface TokenPartDependencies {
  readonly core: Core<unknown>
  readonly engine: LeaseEngine
  readonly integrations: Integrations
  readonly salesforce: Salesforce
  readonly counts: CallerCounts
  readonly audit: AuditLog
  readonly gate: Callers['gate']
}

/** Tokens, and the check of one. */
export function registerTokenParts(guarded: Server, parts: TokenPartDependencies): void {
  const { core, engine, integrations, salesforce, counts, audit, gate } = parts
  const { broker, revoker } = engine
  const { identify } = gate
  const { now, monotonic } = core.runtime
  const handOut = createHandOut({ broker, audit, onRead: counts.note, identify, now })
  registerTokenRoutes(guarded, { handOut, revoker, integrations, audit })
  const check = createTokenCheck({ endpoint: salesforce.endpoint, monotonic })
  registerTokenCheckRoutes(guarded, { broker, integrations, audit, identify, check })
}

interface GatewayPartDependencies {
  readonly engine: Pick<LeaseEngine, 'broker' | 'tokens'>
  readonly proofs: ProofParts
  readonly counts: Pick<CallerCounts, 'note'>
  readonly audit: AuditLog
  readonly guard: {
    readonly gate: Callers['gate']
    readonly trust: ApiServer['trust']
    readonly onProblem: NonNullable<ServerOptions['onProblem']>
  }
  readonly now: () => number
}

/** The door for gateways, and proofs. Each has its own guard, because none of their methods changes anything. */
export async function registerGateway(
  server: Server,
  { engine, proofs, counts, audit, guard, now }: GatewayPartDependencies,
): Promise<void> {
  const { gate, trust } = guard
  const { broker, tokens } = engine
  const handOutTo = (identify: Callers['gate']['identify']) =>
    createHandOut({ broker, audit, onRead: counts.note, identify, now })
  const proving = handOutTo(identifyProver(gate))
  await registerProofRoutes(server, { handOut: proving, gate, trust, ...proofs })
  const handOut = handOutTo(identifyBy(gate))
  await registerGatewayRoutes(server, { handOut, broker, tokens, proofs, ...guard })
}

interface ServicePartDependencies {
  readonly callers: Callers
  readonly watched: WatchedStore
  readonly engine: Pick<LeaseEngine, 'age'>
  readonly seals: KeyringCare
  readonly integrations: Integrations
  readonly counts: CallerCounts
  readonly audit: AuditLog
}

/** Callers and their keys, the store, and the keyring. */
export function registerServiceParts(guarded: Server, parts: ServicePartDependencies): void {
  const { callers, watched, engine, seals, integrations, counts, audit } = parts
  callers.registerRoutes(guarded, (request, { action, id }) =>
    audit.change(request, { action, integration: null, detail: { api_key: id } }),
  )
  registerStoreRoutes(guarded, { watched, audit, acceptAge: engine.age.accept })
  seals.registerRoutes(guarded)
  registerCallerCountsRoutes(guarded, { integrations, counts })
}

interface ExposureDependencies {
  readonly core: Core<unknown>
  readonly integrations: Integrations
  readonly counts: CallerCounts
  readonly engine: Pick<LeaseEngine, 'frozen'>
  readonly freezes: { readonly freezing: Pick<Freezing, 'read'> }
}

/** What may be in wrong hands after an incident. */
export function registerExposure(guarded: Server, parts: ExposureDependencies): void {
  const { core, integrations, counts, engine, freezes } = parts
  const { store, runtime } = core
  const { now } = runtime
  registerExposureRoutes(guarded, {
    exposure: createExposure({
      ...{ integrations, store, counts, now },
      revoking: engine.frozen.waiting,
    }),
    selectorOf: async (id) => (await freezes.freezing.read(id))?.freeze.selector,
    now,
  })
}

interface CredentialPartDependencies {
  readonly config: Pick<Config, 'publicUrl' | 'egressAddresses'>
  readonly core: Core<unknown>
  readonly connections: Connections
  readonly rotation: Rotation
  readonly integrations: Integrations
  readonly audit: AuditLog
  readonly gate: Callers['gate']
}

/** Connections, credentials, and the setup of the app in Salesforce. */
export function registerCredentialParts(guarded: Server, parts: CredentialPartDependencies): void {
  const { config, core, connections, rotation, integrations, audit, gate } = parts
  const { publicUrl, egressAddresses } = config
  const { confirm } = gate
  const { now } = core.runtime
  connections.registerRoutes(guarded, confirm)
  registerCredentialRoutes(guarded, { integrations, rotation, audit, confirm, now })
  registerSetupRoutes(guarded, { integrations, publicUrl, egressAddresses })
}

interface IntegrationPartDependencies {
  readonly core: Core<unknown>
  readonly indexer: Indexer
  readonly integrations: Integrations & Pick<Rotation, 'secretTrouble'>
  readonly engine: LeaseEngine
  readonly salesforce: Salesforce
  readonly audit: AuditLog
  readonly gate: Callers['gate']
}

/** Integrations, with their doctor and their identity. */
export function registerIntegrationParts(
  guarded: Server,
  parts: IntegrationPartDependencies,
): void {
  const { core, indexer, integrations, engine, salesforce, audit, gate } = parts
  const { revoker, grants, status } = engine
  const { confirm } = gate
  const { documents, outcomes } = core.store
  const { now, monotonic } = core.runtime
  const { outbound, hosts, clock } = salesforce
  const doctor = createDoctorService({
    doctor: createDoctor({ outbound, hosts, grants, clock, now, monotonic }),
    readSealed: integrations.readSealed,
    mint: engine.doctorMint,
    outside: integrations.outside,
    secretTrouble: integrations.secretTrouble,
  })
  registerDoctorRoutes(guarded, { integrations, doctor, audit })
  const prober = createDpopProber({ mint: engine.doctorMint, grants, salesforce })
  registerDpopProbeRoutes(guarded, { integrations, prober, audit })
  const pins = createPinStore(documents)
  const acceptance = createIdentityAcceptance({ integrations, pins, outcomes })
  registerIdentityRoutes(guarded, { integrations, acceptance, audit, confirm })
  registerSummaryRoute(guarded, { listing: core.store.listing, indexer })
  registerIntegrationRoutes(guarded, {
    registry: createRegistry(integrations.rules),
    store: {
      ...integrations,
      find: createCandidates({ listing: core.store.listing, indexer }).find,
      frozen: status.frozen,
    },
    ...{ statusOf: status.statusOf, audit, confirm, monotonic },
    revoke: revoker.revokeUnlessShared,
  })
}
