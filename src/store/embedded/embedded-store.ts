import { randomUUID } from 'node:crypto'
import type { Store } from '../store.ts'
import { createEmbeddedArchive } from './archive.ts'
import { createEmbeddedBudgets } from './budgets.ts'
import { createEmbeddedChanges } from './changes.ts'
import { createEmbeddedCustodies } from './custodies.ts'
import { type EmbeddedDatabase, openEmbeddedDatabase } from './database.ts'
import { createEmbeddedDocuments } from './documents.ts'
import { createEmbeddedDue } from './due.ts'
import { createEmbeddedEvents } from './events.ts'
import { type FileTrouble, fileTroubleLine } from './file-trouble.ts'
import { createEmbeddedIntegrations } from './integrations.ts'
import { createEmbeddedListing } from './listing/listing.ts'
import { createEmbeddedLocks } from './locks.ts'
import { createEmbeddedOutcomes } from './outcomes.ts'
import { createEmbeddedSeals } from './seals.ts'

export interface EmbeddedStoreOptions {
  /** Folder of the database; created with mode 0700. */
  readonly dataDir: string
  /** Called for a failure of the file; undefined: the failure is over. Must not throw. Default: none. */
  readonly onTrouble?: (trouble: FileTrouble | undefined) => void
  /** Epoch milliseconds. Default: the clock of this machine, without steps back. */
  readonly now?: () => number
}

/**
 * The store of one process, in a SQLite file. Throws an `Error` that names the folder if another
 * process has it open, if it cannot be made private, or if a newer release wrote it.
 */
export function createEmbeddedStore(options: EmbeddedStoreOptions): Store {
  const { dataDir, now = steadyNow(), onTrouble = () => undefined } = options
  const changes = createEmbeddedChanges({
    pulse: () => ({
      ...identity(),
      ...{ due: String(database.commits), age: String(database.commits) },
      listing: String(database.commits),
    }),
    write: (announce) => database.write(announce),
  })
  const database: EmbeddedDatabase = openEmbeddedDatabase({
    dataDir,
    newId: randomUUID,
    onAnnounced: changes.add,
    onTrouble,
  })
  const { health, path } = database
  const looking = setInterval(health.look, LOOK_MS).unref()
  const locks = createEmbeddedLocks({ monotonic: options.now ?? monotonic })

  function identity() {
    return { id: database.id, seq: database.seq }
  }

  return {
    integrations: createEmbeddedIntegrations({ database, forgetLock: locks.forget }),
    outcomes: createEmbeddedOutcomes({ database, now }),
    listing: createEmbeddedListing({ database, now }),
    locks,
    due: createEmbeddedDue({ database, now }),
    custody: createEmbeddedCustodies({ database, now, run: randomUUID() }),
    budgets: createEmbeddedBudgets({ database, now, locks }),
    documents: createEmbeddedDocuments({ database, now }),
    events: createEmbeddedEvents({ database }),
    changes,
    seals: createEmbeddedSeals({ database, now }),
    archive: createEmbeddedArchive({ database, now, forgetLock: locks.forget }),
    async identity() {
      // Reads the file, which proves that the store answers.
      return database.read(({ get }) => {
        get('SELECT 1 FROM meta')
        return identity()
      })
    },
    evictionPolicy: () => 'noeviction',
    wasReached: () => true,
    isBegunAnew: () => database.isBegunAnew,
    trouble() {
      const trouble = health.trouble()
      return trouble && fileTroubleLine(path, trouble)
    },
    troubleCounts: () => new Map(),
    async now() {
      return now()
    },
    async close() {
      clearInterval(looking)
      changes.close()
      database.close()
    },
  }
}

/** A failure of the file is detected within two intervals. */
const LOOK_MS = 1_000

const monotonic = () => performance.now()

/**
 * Adds to the start time the longer of the elapsed times of both clocks. So nothing outlives its
 * end if the wall clock is set back or the machine sleeps.
 */
function steadyNow(): () => number {
  const started = { wall: Date.now(), monotonic: monotonic() }
  return () =>
    Math.floor(started.wall + Math.max(Date.now() - started.wall, monotonic() - started.monotonic))
}
