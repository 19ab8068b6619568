/** Wires what operators ask beside the integrations themselves: setup, the doctor, identities. */
import type { AuditLog } from '../audit/log.ts'
import type { Confirm } from '../callers/index.ts'
import { createDoctor, type DoctorDependencies } from '../doctor/doctor.ts'
import { createPractice } from '../doctor/practice.ts'
import { registerDoctorRoutes } from '../doctor/routes.ts'
import type { AddressRange } from '../http/address-range.ts'
import type { Server } from '../http/server.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { registerSetupRoutes } from '../setup/routes.ts'
import type { Store } from '../store/store.ts'
import type { DoctorMint } from '../tokens/doctor-mint.ts'
import { createIdentityAcceptance } from '../tokens/identity-acceptance.ts'
import { registerIdentityRoutes } from '../tokens/identity-routes.ts'
import { createPinStore } from '../tokens/pin-store.ts'

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
  const practice = createPractice({ doctor: createDoctor(doctor), readSealed, mint: doctorMint })
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
