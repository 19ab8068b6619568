/** Registers every route, in the order of the API's description. */
import { refuseWhileBlocked } from '../audit/guard.ts'
import type { AuditLog } from '../audit/log.ts'
import { registerAuditRoutes } from '../audit/routes.ts'
import type { AuditSearch } from '../audit/search.ts'
import type { Callers } from '../callers/compose.ts'
import { requireCaller } from '../callers/index.ts'
import type { Config } from '../config/config.ts'
import type { Connections } from '../connections/compose.ts'
import { createDoctor } from '../doctor/doctor.ts'
import { createDoctorService } from '../doctor/doctor-service.ts'
import { registerDoctorRoutes } from '../doctor/routes.ts'
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
import { createRegistry } from '../integrations/registry.ts'
import { registerIntegrationRoutes } from '../integrations/routes.ts'
import type { KeyringCare } from '../keyring/compose.ts'
import type { Rotation } from '../rotation/compose.ts'
import { registerCredentialRoutes } from '../rotation/routes.ts'
import { tellUnconfirmed } from '../service/confirmed-answers.ts'
import { registerStoreRoutes } from '../service/store-routes.ts'
import { registerSetupRoutes } from '../setup/routes.ts'
import type { Core } from '../store/core.ts'
import type { WatchedStore } from '../store/integrity/watched-store.ts'
import { createTokenCheck } from '../tokens/check/token-check.ts'
import { registerTokenCheckRoutes } from '../tokens/check/token-check-routes.ts'
import type { LeaseEngine } from '../tokens/compose.ts'
import { registerOAuthRoutes } from '../tokens/oauth/oauth-routes.ts'
import { registerTokenRoutes } from '../tokens/serve/routes.ts'
import type { CallerCounts } from '../usage/caller-counts.ts'
import { registerCallerCountsRoutes } from '../usage/caller-counts-routes.ts'

interface RoutedParts {
  readonly config: Pick<Config, 'docs' | 'publicUrl' | 'egressAddresses'>
  readonly version: string
  readonly trust: ApiServer['trust']
  readonly onProblem: NonNullable<ServerOptions['onProblem']>
  readonly readiness: () => Readiness
  readonly core: Core<unknown>
  readonly watched: WatchedStore
  readonly audit: AuditLog
  readonly search: AuditSearch
  readonly salesforce: Salesforce
  readonly integrations: Integrations
  readonly engine: LeaseEngine
  readonly callers: Callers
  readonly connections: Connections
  readonly rotation: Rotation
  readonly seals: KeyringCare
  readonly counts: CallerCounts
}

/** Resolves when the server is ready to listen. */
export async function registerRoutes(server: Server, parts: RoutedParts): Promise<void> {
  const { config, version, onProblem, readiness, core, audit } = parts
  const { engine, callers, connections, counts } = parts
  const { now } = core.runtime
  await describeApi(server, version)
  if (config.docs) serveApiDescription(server)
  registerHealth(server, readiness)
  registerRefusalPages(server)
  registerPublicPages(server, { version, docs: config.docs })
  connections.registerCallback(server)
  await registerOAuthRoutes(server, {
    ...{ broker: engine.broker, gate: callers.gate, audit, onRead: counts.note, onProblem, now },
  })
  await server.register(async (scope) => registerGuarded(scope as Server, parts))
  await server.ready()
}

/** Registers the routes behind the guard. Each of their requests has an authenticated caller. */
function registerGuarded(guarded: Server, parts: RoutedParts): void {
  const { config, trust, core, watched, audit, search, salesforce, integrations } = parts
  const { engine, callers, connections, rotation, seals, counts } = parts
  const { broker, revoker, grants } = engine
  const { confirm, identify } = callers.gate
  const { documents, outcomes } = core.store
  const { now, monotonic } = core.runtime
  const { publicUrl, egressAddresses } = config
  requireCaller(guarded, callers.gate, trust)
  refuseWhileBlocked(guarded, audit)
  tellUnconfirmed(guarded)
  registerTokenRoutes(guarded, {
    ...{ broker, revoker, integrations, audit, onRead: counts.note, identify, now },
  })
  const check = createTokenCheck({ endpoint: salesforce.endpoint, monotonic })
  registerTokenCheckRoutes(guarded, { broker, integrations, audit, identify, check })
  callers.registerRoutes(guarded, (request, { action, id }) =>
    audit.change(request, { action, integration: null, detail: { api_key: id } }),
  )
  registerStoreRoutes(guarded, { watched, audit, acceptAge: engine.age.accept })
  seals.registerRoutes(guarded)
  registerCallerCountsRoutes(guarded, { integrations, counts })
  registerAuditRoutes(guarded, { search })
  connections.registerRoutes(guarded, confirm)
  registerCredentialRoutes(guarded, { integrations, ...rotation, audit, confirm, now })
  registerSetupRoutes(guarded, { integrations, publicUrl, egressAddresses })
  const { outbound, hosts, clock } = salesforce
  const doctor = createDoctorService({
    doctor: createDoctor({ outbound, hosts, grants, clock, now, monotonic }),
    readSealed: integrations.readSealed,
    mint: engine.doctorMint,
  })
  registerDoctorRoutes(guarded, { integrations, doctor, audit })
  const pins = createPinStore(documents)
  const acceptance = createIdentityAcceptance({ integrations, pins, outcomes })
  registerIdentityRoutes(guarded, { integrations, acceptance, audit, confirm })
  const { statusOf } = engine.status
  registerIntegrationRoutes(guarded, {
    ...{
      registry: createRegistry(integrations.rules),
      store: integrations,
      statusOf,
      audit,
      confirm,
    },
    ...{ monotonic, revoke: revoker.revokeUnlessShared },
  })
}
