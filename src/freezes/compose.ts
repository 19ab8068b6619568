/** Composes what orders freezes and what carries them out. */
import type { Actor } from '../audit/event.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Principal } from '../callers/policy.ts'
import type { Custody } from '../custody/custody.ts'
import type { Server } from '../http/server/server.ts'
import { readSubject } from '../identity/subject.ts'
import type { Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Core } from '../store/core.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import type { ReplicaMemory } from '../store/replica-cache.ts'
import type { Documents } from '../store/store.ts'
import type { StoreEvents } from '../store/store-events.ts'
import { mayFreeze, mightFreeze } from './access.ts'
import type { Freeze } from './freeze.ts'
import { createFreezeGate, type FreezeGate } from './freeze-gate.ts'
import { createFreezing } from './freezing.ts'
import type { FrozenTokens } from './frozen-tokens.ts'
import { registerFreezeRoutes } from './routes.ts'
import { createFreezeSweeper } from './sweeper.ts'

const orgReader =
  (documents: Documents) =>
  async (integration: Pick<Integration, 'name' | 'uid'>): Promise<string | undefined> =>
    (await readSubject(documents, integration))?.orgId ?? undefined

/** What everything that gives or makes tokens asks. */
export function composeFreezeGate(
  { store, events }: Core<StoreEvents>,
  memory: ReplicaMemory,
): FreezeGate {
  const { documents } = store
  const gate = createFreezeGate({ documents, memory, orgOf: orgReader(documents) })
  events.on('store.changed', gate.heard)
  events.on('store.gap', gate.distrust)
  return gate
}

export function composeFreezes(dependencies: {
  readonly core: Core<StoreEvents>
  readonly gate: FreezeGate
  readonly integrations: Pick<IntegrationStore, 'list' | 'read'>
  readonly tokens: FrozenTokens
  readonly custody: Pick<Custody, 'end'>
  readonly audit: Pick<AuditLog, 'background'>
}) {
  const { core, gate, integrations, tokens, custody, audit } = dependencies
  const { store, events, runtime, log } = core
  const { documents } = store
  const endConnection = async (
    integration: Integration,
    { id, by }: Freeze,
    note: (tokenId: string) => Promise<void>,
  ): Promise<boolean> => {
    const { hadToken } = await custody.end(integration, async (loginUrl, of) =>
      note(await tokens.holdRefreshToken(loginUrl, of, id)),
    )
    const { name } = integration
    const actor: Actor = { principal: by, requestId: null }
    if (hadToken) audit.background(actor, { action: 'integration.disconnected', integration: name })
    return hadToken
  }
  const { list, read } = integrations
  const sweeper = createFreezeSweeper({
    ...{ gate, store, runtime },
    integrations: { list, read, orgOf: orgReader(documents) },
    tokens: { ...tokens, endConnection },
    outage: createOutageLogger(log, 'freezes cannot be carried out', runtime),
  })
  // After the gate, so that the sweeper does not read the former freezes.
  events.on('store.changed', sweeper.heard)
  events.on('store.gap', sweeper.distrust)
  const freezing = createFreezing({ documents, gate, tokens, runtime })
  return {
    freezing,
    /** The freezes in force that the principal may see in full, the oldest first. From memory where it is current. */
    async shownTo(principal: Principal): Promise<readonly Freeze[]> {
      if (!mightFreeze(principal)) return []
      const freezes = await gate.list()
      const isShown = await Promise.all(
        freezes.map(({ selector }) =>
          mayFreeze(principal, selector, (name) => unlessUnusable(read(name))),
        ),
      )
      return freezes.filter((_, at) => isShown[at])
    },
    registerRoutes: (server: Server, trail: Pick<AuditLog, 'change'>): void =>
      registerFreezeRoutes(server, { freezing, integrations, audit: trail }),
    start: sweeper.start,
    stop: sweeper.stop,
  }
}
