/** Composes the definitions: their storage, and the one write of their credentials. */
import type { AuditLog } from '../audit/log.ts'
import type { Core } from '../store/core.ts'
import { type CredentialWriter, createCredentialWriter } from './credential-writer.ts'
import type { IntegrationEvents } from './integration-events.ts'
import {
  createIntegrationStore,
  type IntegrationStore,
  type IntegrationStoreDependencies,
} from './integration-store.ts'

export interface Integrations extends IntegrationStore {
  readonly credentials: CredentialWriter
}

interface IntegrationsDependencies extends Pick<IntegrationStoreDependencies, 'requiresCodes'> {
  readonly core: Core<IntegrationEvents>
  readonly audit: Pick<AuditLog, 'background'>
}

export function composeIntegrations(dependencies: IntegrationsDependencies): Integrations {
  const { core, audit, ...options } = dependencies
  const { store, keyring, events, runtime, log } = core
  const integrations = createIntegrationStore({
    ...{ records: store.integrations, keyring, events, ...options },
  })
  return {
    ...integrations,
    credentials: createCredentialWriter({ store: integrations, audit, runtime, log }),
  }
}
