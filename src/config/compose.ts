/** Composes the loader of the configuration file, if there is one. */
import { type AuditEntry, lentEvent, NOBODY } from '../audit/event.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Integrations } from '../integrations/compose.ts'
import { type Applied, createDeclaredIntegrations } from '../integrations/declared.ts'
import type { FileMeter } from '../metrics/meters.ts'
import type { Core } from '../store/core.ts'
import type { Revoker } from '../tokens/revoke/revocation.ts'
import {
  type ConfigurationLoader,
  createConfigurationLoader,
  type LoaderDependencies,
} from './loader.ts'

export function composeConfiguration(dependencies: {
  /** Absent: there is no configuration file. */
  readonly path: string | undefined
  readonly readFile: LoaderDependencies['readFile']
  readonly integrations: Pick<Integrations, 'rules'>
  readonly revoker: Pick<Revoker, 'revokeUnlessShared'>
  readonly audit: Pick<AuditLog, 'background'>
  readonly meter: FileMeter
  readonly core: Core<unknown>
}): ConfigurationLoader | undefined {
  const { path, readFile, integrations, revoker, audit, meter, core } = dependencies
  if (path === undefined) return undefined
  const { runtime, log } = core
  return createConfigurationLoader({
    path,
    readFile,
    declared: createDeclaredIntegrations({
      ...integrations.rules,
      revoke: async (integration) => {
        const revoked = await revoker.revokeUnlessShared(integration)
        for (const entry of revoked) audit.background(NOBODY, entry)
      },
    }),
    observer: {
      async applied(applied) {
        meter.applied(applied)
        for (const entry of [appliedEvent(applied), lentByFile(applied)]) {
          if (entry) audit.background(NOBODY, entry)
        }
      },
      reloaded() {
        meter.reloaded()
        audit.background(NOBODY, { action: 'config.applied', integration: null })
      },
      refused({ length: count }) {
        meter.refused()
        audit.background(NOBODY, {
          action: 'config.refused',
          integration: null,
          outcome: 'failed',
          detail: { reason: 'request_invalid', count },
        })
      },
    },
    runtime,
    log,
  })
}

const ACTIONS = {
  created: 'integration.created',
  changed: 'integration.changed',
  disabled: 'config.refused',
  released: 'integration.released',
  removed: 'integration.deleted',
} as const

/** For the owner of a credential that an entry uses. */
const lentByFile = ({ name, lentBy }: Applied): AuditEntry | undefined =>
  lentBy === undefined ? undefined : lentEvent(lentBy, name)

/** Undefined: nothing changed. */
function appliedEvent({ name, result, error }: Applied): AuditEntry | undefined {
  if (result === 'unchanged') return undefined
  return {
    action: ACTIONS[result],
    integration: name,
    ...(result === 'disabled' && { outcome: 'failed' as const }),
    ...(error && { detail: { reason: error.code } }),
  }
}
