/** Wires what keeps the configuration file in effect, if there is one. */

import { NOBODY } from '../audit/event.ts'
import type { AuditLog } from '../audit/log.ts'
import { appliedEvent, lentByFile } from '../config/applied-event.ts'
import {
  type ConfigurationLoader,
  createConfigurationLoader,
  type LoaderDependencies,
} from '../config/loader.ts'
import { createDeclaredIntegrations, type DeclaredDependencies } from '../integrations/declared.ts'
import type { FileMeter } from '../metrics/meters.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Revoker } from '../tokens/revoke/revocation.ts'

export interface ConfigurationDependencies
  extends Omit<DeclaredDependencies, 'revoke' | 'runtime'>,
    Pick<LoaderDependencies, 'readFile' | 'log'> {
  /** Absent: there is no such file. */
  readonly path: string | undefined
  readonly runtime: Runtime
  readonly revoker: Pick<Revoker, 'revokeUnlessShared'>
  readonly audit: Pick<AuditLog, 'background'>
  readonly meter: FileMeter
}

export function composeConfiguration(
  dependencies: ConfigurationDependencies,
): ConfigurationLoader | undefined {
  const { path, readFile, log, revoker, audit, meter, ...declaring } = dependencies
  if (path === undefined) return undefined
  return createConfigurationLoader({
    path,
    readFile,
    declared: createDeclaredIntegrations({
      ...declaring,
      revoke: async (integration) => {
        const revoked = await revoker.revokeUnlessShared(integration)
        for (const happening of revoked) audit.background(NOBODY, happening)
      },
    }),
    onApplied: async (applied) => {
      meter.applied(applied)
      for (const happening of [appliedEvent(applied), lentByFile(applied)]) {
        if (happening) audit.background(NOBODY, happening)
      }
    },
    onReloaded() {
      meter.reloaded()
      audit.background(NOBODY, { action: 'config.applied', integration: null })
    },
    onRefused({ length: count }) {
      meter.refused()
      audit.background(NOBODY, {
        action: 'config.refused',
        integration: null,
        outcome: 'failed',
        detail: { reason: 'request_invalid', count },
      })
    },
    runtime: declaring.runtime,
    log,
  })
}
