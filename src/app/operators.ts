/** Wires what operators ask beside the integrations themselves: setup, the doctor, identities. */
import type { AuditLog } from '../audit/log.ts'
import type { Confirm } from '../callers/index.ts'
import { createDoctor, type DoctorDependencies } from '../doctor/doctor.ts'
import { createDoctorService } from '../doctor/doctor-service.ts'
import { registerDoctorRoutes } from '../doctor/routes.ts'
import type { AddressRange } from '../http/address-range.ts'
import type { Server } from '../http/server/server.ts'
import { createIdentityAcceptance } from '../identity/identity-acceptance.ts'
import { registerIdentityRoutes } from '../identity/identity-routes.ts'
import { createPinStore } from '../identity/pin-store.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { registerSetupRoutes } from '../setup/routes.ts'
import type { Store } from '../store/store.ts'
import type { DoctorMint } from '../tokens/mint/doctor-mint.ts'

export interface OperatorRouteDependencies {
  readonly integrations: IntegrationStore
  readonly store: Pick<Store, 'documents' | 'outcomes'>
  readonly audit: Pick<AuditLog, 'change'>
  readonly confirm: Confirm
  readonly publicUrl: string | undefined
  readonly egressAddresses: readonly AddressRange[]
  readonly doctor: DoctorDependencies
  readonly doctorMint: DoctorMint
}

export function registerOperatorRoutes(
  guarded: Server,
  dependencies: OperatorRouteDependencies,
): void {
  const { integrations, store, audit, confirm, publicUrl, egressAddresses, doctor, doctorMint } =
    dependencies
  registerSetupRoutes(guarded, { integrations, publicUrl, egressAddresses })
  const { readSealed } = integrations
  const practice = createDoctorService({
    doctor: createDoctor(doctor),
    readSealed,
    mint: doctorMint,
  })
  registerDoctorRoutes(guarded, { integrations, practice, audit })
  registerIdentityRoutes(guarded, {
    integrations,
    acceptance: createIdentityAcceptance({
      integrations,
      pins: createPinStore(store.documents),
      outcomes: store.outcomes,
    }),
    audit,
    confirm,
  })
}
