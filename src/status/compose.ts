/** Composes the status page, and what it counts for it. */
import type { AuditEvents } from '../audit/event.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Callers } from '../callers/compose.ts'
import type { composeFreezes } from '../freezes/compose.ts'
import type { Readiness } from '../http/server/health.ts'
import type { Server, ServerOptions } from '../http/server/server.ts'
import { createListed } from '../integrations/answers.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { createCandidates } from '../integrations/listing/candidates.ts'
import type { Indexer } from '../integrations/listing/indexer.ts'
import { createListing } from '../integrations/listing/listing.ts'
import { createSummary } from '../integrations/listing/summary.ts'
import type { KeyringCare } from '../keyring/compose.ts'
import type { Core } from '../store/core.ts'
import type { LeaseEngine } from '../tokens/compose.ts'
import type { CallerCounts } from '../usage/caller-counts.ts'
import { createMintHours } from '../usage/mint-hours.ts'
import { createOverview } from './overview.ts'
import { registerStatusPage } from './routes.ts'

interface StatusDependencies {
  readonly core: Core<AuditEvents>
  readonly settings: { readonly statusPage: boolean; readonly publicUrl: string | undefined }
  /** Whose state is shown. */
  readonly shown: {
    readonly integrations: Pick<IntegrationStore, 'read' | 'list'>
    readonly engine: Pick<LeaseEngine, 'status'>
    readonly freezes: Pick<ReturnType<typeof composeFreezes>, 'shownTo'>
    readonly indexer: Indexer
    readonly counts: Pick<CallerCounts, 'read'>
    readonly seals: Pick<KeyringCare, 'replicas'>
    readonly readiness: () => Readiness
  }
  readonly callers: Pick<Callers, 'sessions'>
  readonly audit: Pick<AuditLog, 'change' | 'requireWritable'>
  readonly onProblem: NonNullable<ServerOptions['onProblem']>
}

export interface StatusPage {
  register(server: Server): Promise<void>
  start(): void
  stop(): Promise<void>
}

/** Undefined: the page is off. */
export function composeStatusPage(dependencies: StatusDependencies): StatusPage | undefined {
  const { core, settings, shown, callers, audit, onProblem } = dependencies
  if (!settings.statusPage) return undefined
  const { integrations, engine, freezes, indexer, counts, seals, readiness } = shown
  const { store, runtime, events, log } = core
  const { now } = runtime
  const hours = createMintHours({ documents: store.documents, events, runtime, log })
  const listing = createListing({
    ...{ store: integrations, statusOf: engine.status.statusOf, frozen: engine.status.frozen },
    candidates: createCandidates({ listing: store.listing, indexer }),
    listed: createListed({ store: integrations }),
  })
  const summary = createSummary({ listing: store.listing, indexer })
  const overview = createOverview({
    integrations: { read: integrations.read, page: listing.page, summaryFor: summary.of },
    ...{ counts, hours, readiness, now, replicas: seals.replicas, freezesFor: freezes.shownTo },
  })
  const { sessions } = callers
  const { publicUrl } = settings
  return {
    register: (server) =>
      registerStatusPage(server, { overview, sessions, audit, onProblem, publicUrl, now }),
    start: hours.start,
    stop: hours.stop,
  }
}
