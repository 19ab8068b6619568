/** Keeps the listing index right: replaces the entries that a change or the time made stale. */
import type { Events } from '../../runtime/events.ts'
import { createOutageLogger } from '../../runtime/outage-logger.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { createTask } from '../../runtime/tasks.ts'
import { isUnusable } from '../../store/integrity/record-schema.ts'
import type {
  EntryWrite,
  IndexEntry,
  ListingIndex,
  StaleEntry,
} from '../../store/listing/listing-index.ts'
import type { StoreEvents } from '../../store/store-events.ts'
import type { Integration } from '../integration.ts'
import { UNUSABLE_ENTRY } from '../state.ts'

interface IndexerDependencies {
  readonly listing: Pick<ListingIndex, 'stale' | 'put' | 'build'>
  readonly read: (name: string) => Promise<Integration | undefined>
  readonly entryOf: (integration: Integration) => Promise<IndexEntry>
  readonly events: Pick<Events<StoreEvents>, 'on'>
  readonly runtime: Runtime
  readonly log: Log
}

export interface Indexer {
  /** Replaces stale entries now, at most about a thousand. Callers at the same time share the work. */
  catchUp(): Promise<void>
  start(): void
  stop(): Promise<void>
}

/** Entries of one round. */
const ROUND = 100
/** Entries that are looked at at once, so that requests wait only briefly. */
const AT_ONCE = 20
const ROUNDS_OF_A_QUESTION = 10
/** Pause between rounds while there is more to do. */
const BUSY_MS = 10
const LEAST_MS = 500
/** Longest pause without a mark: a replica that died may have written an instant that is not known here. Whoever asks meanwhile looks at the time itself. */
const MOST_MS = 300_000
const RETRY_MS = 1_000
/** All replicas hear of a mark, and one of them is enough. */
const SPREAD_MS = 400

export function createIndexer(dependencies: IndexerDependencies): Indexer {
  const { listing, read, entryOf, events, runtime, log } = dependencies

  const entryFor = async (name: string): Promise<IndexEntry | null> => {
    try {
      const integration = await read(name)
      return integration ? await entryOf(integration) : null
    } catch (error) {
      if (isUnusable(error)) return UNUSABLE_ENTRY
      throw error
    }
  }

  /** Returns the first instant at which one of the new entries may be wrong by itself. Infinite: none. */
  const replace = async (items: readonly StaleEntry[]): Promise<number> => {
    let turnsAt = Number.POSITIVE_INFINITY
    for (let from = 0; from < items.length; from += AT_ONCE) {
      const writes: EntryWrite[] = await Promise.all(
        items
          .slice(from, from + AT_ONCE)
          .map(async (item) => ({ ...item, entry: await entryFor(item.name) })),
      )
      await listing.put(writes)
      for (const { entry } of writes) turnsAt = Math.min(turnsAt, entry?.turnsAt ?? turnsAt)
    }
    return turnsAt
  }

  /** Returns milliseconds until there is more to do. */
  const round = async (): Promise<number> => {
    const { isWhole, items, nextInMs } = await listing.stale(ROUND)
    const turnsAt = await replace(items)
    // The instants of new entries are not in what was read before.
    if (isWhole) return Math.min(nextInMs, Math.max(LEAST_MS, turnsAt - runtime.now()))
    await listing.build()
    return 0
  }

  const task = createTask({
    ...{ runtime, retryMs: RETRY_MS },
    outage: createOutageLogger(log, 'the listing index cannot be kept up to date', runtime),
    async work() {
      const nextInMs = await round()
      return nextInMs === 0 ? BUSY_MS : Math.min(MOST_MS, Math.max(LEAST_MS, nextInMs))
    },
  })

  const someRounds = async () => {
    for (let rounds = 0; rounds < ROUNDS_OF_A_QUESTION; rounds += 1) {
      if ((await round()) > 0) return
    }
  }
  let running: Promise<void> | undefined

  let known: string | undefined
  let isWaiting = false
  const wakeSoon = async () => {
    if (isWaiting) return
    isWaiting = true
    await runtime.sleep(runtime.random() * SPREAD_MS, task.stopped)
    isWaiting = false
    task.wake()
  }
  events.on('store.pulse', (pulse) => {
    task.tick()
    if (pulse.listing === known) return undefined
    known = pulse.listing
    return wakeSoon()
  })

  return {
    start: task.start,
    stop: task.stop,
    catchUp() {
      running ??= someRounds().finally(() => {
        running = undefined
      })
      return running
    },
  }
}
