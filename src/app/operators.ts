/** Wires what operators ask beside the integrations themselves: setup, identities. */
import type { AuditLog } from '../audit/log.ts'
import type { Server } from '../http/server.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { registerSetupRoutes } from '../setup/routes.ts'
import type { Store } from '../store/store.ts'
import { createIdentityAcceptance } from '../tokens/identity-acceptance.ts'
import { registerIdentityRoutes } from '../tokens/identity-routes.ts'
import { createPinStore } from '../tokens/pin-store.ts'

export interface OperatorRouteDependencies {
  readonly integrations: IntegrationStore
  readonly store: Pick<Store, 'documents' | 'outcomes'>
  readonly audit: Pick<AuditLog, 'change'>
  readonly publicUrl: string | undefined
}

export function registerOperatorRoutes(
  guarded: Server,
  { integrations, store, audit, publicUrl }: OperatorRouteDependencies,
): void {
  registerSetupRoutes(guarded, { integrations, publicUrl })
  registerIdentityRoutes(guarded, {
    integrations,
    acceptance: createIdentityAcceptance({
      pins: createPinStore(store.documents),
      outcomes: store.outcomes,
    }),
    audit,
  })
}
