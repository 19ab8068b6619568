/** Composes the counts of callers, and what is said when something about an integration is unusual. */
import type { AuditEvents } from '../audit/event.ts'
import type { AuditLog } from '../audit/log.ts'
import { type Integration, isWatched } from '../integrations/integration.ts'
import type { Core } from '../store/core.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import { type CallerCounts, createCallerCounts } from './caller-counts.ts'
import { createNetworkNames } from './caller-networks.ts'
import { isUnusual, type Unusual, type UnusualAction } from './unusual.ts'

interface UsageDependencies {
  readonly core: Core<AuditEvents>
  readonly settings: { readonly callerNetworks: 'hashed' | 'plain' }
  readonly audit: Pick<AuditLog, 'background'>
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly engine: {
    readonly cache: { known(name: string): { readonly integration: Integration } | undefined }
  }
  readonly metering: { readonly unusual: (action: UnusualAction) => void }
}

export function composeUsage(dependencies: UsageDependencies): CallerCounts {
  const { core, settings, audit, integrations, engine, metering } = dependencies
  const { store, events, keyring, runtime, log } = core

  /** From memory, unless this replica has not read it yet. */
  const find = async (name: string): Promise<Integration | undefined> =>
    engine.cache.known(name)?.integration ?? unlessUnusable(integrations.read(name))

  const tell = (integration: string, { action, principal, ...detail }: Unusual) => {
    log.warn({ integration, principal, ...detail }, SAID[action])
    const of = { integration, ...(action !== 'caller.new' && { detail }) }
    audit.background({ principal, requestId: null }, { action, ...of })
  }

  events.on('audit.recorded', ({ entry: { action, integration } }) => {
    if (integration === null || !isUnusual(action)) return
    const count = () => metering.unusual(action)
    // While the store is away, one too many is better than one too few.
    find(integration).then((found) => (found && !isWatched(found) ? undefined : count()), count)
  })
  return createCallerCounts({
    ...{ documents: store.documents, runtime, log },
    watch: {
      names: createNetworkNames(keyring.pseudonyms, settings.callerNetworks === 'plain'),
      async isOn({ integration: name, uid }) {
        const integration = await find(name)
        return integration?.uid === uid && isWatched(integration)
      },
      found: tell,
    },
  })
}

const SAID = {
  'caller.new': 'a caller read an integration for the first time in 30 days',
  'caller.new_network': 'a caller came from a network that it did not use in 30 days',
  'caller.unusual_rate': 'a caller reads far more than it did before',
} as const satisfies Record<Unusual['action'], string>
