/** Composes the definitions: their storage, the one write of their credentials, and the rules of writing. */
import type { AuditLog } from '../audit/log.ts'
import { createIntake } from '../credentials/intake.ts'
import { createOutsideSecrets, type OutsideSecrets } from '../credentials/outside-secrets.ts'
import type { Signers } from '../signers/signers.ts'
import type { Core } from '../store/core.ts'
import { type CredentialWriter, createCredentialWriter } from './credential-writer.ts'
import type { IntegrationEvents } from './integration-events.ts'
import {
  createIntegrationStore,
  type IntegrationStore,
  type IntegrationStoreDependencies,
} from './integration-store.ts'
import type { RegistryDependencies } from './registry.ts'

export interface Integrations extends IntegrationStore {
  readonly credentials: CredentialWriter
  /** Dependencies of every writer of definitions. */
  readonly rules: RegistryDependencies
  /** The secrets of credentials that are in vaults. */
  readonly outside: OutsideSecrets
}

interface IntegrationsDependencies
  extends Pick<IntegrationStoreDependencies, 'requiresCodes'>,
    Pick<RegistryDependencies, 'hosts' | 'grantTrouble'> {
  readonly core: Core<IntegrationEvents>
  readonly signers: Pick<
    Signers,
    'find' | 'sign' | 'prove' | 'makesVersions' | 'referenceFor' | 'contentAt'
  >
  readonly audit: Pick<AuditLog, 'background'>
}

export function composeIntegrations(dependencies: IntegrationsDependencies): Integrations {
  const { core, audit, signers, hosts, grantTrouble, ...options } = dependencies
  const { keyring, events, runtime, log } = core
  const records = core.store.integrations
  const outside = createOutsideSecrets({ ...runtime, vaults: signers })
  const store = createIntegrationStore({ records, keyring, events, ...options })
  return {
    ...{ ...store, outside },
    credentials: createCredentialWriter({ store, audit, runtime, log }),
    rules: {
      ...{ store, intake: createIntake({ ...runtime, signers, outside }), hosts, events, runtime },
      ...(grantTrouble && { grantTrouble }),
    },
  }
}
