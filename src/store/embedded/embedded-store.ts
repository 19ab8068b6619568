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
import { createEmbeddedLocks } from './locks.ts'
import { createEmbeddedOutcomes } from './outcomes.ts'
import { createEmbeddedSeals } from './seals.ts'

export interface EmbeddedStoreOptions {
  /** The folder of the database; made with mode 0700. */
  readonly dataDir: string
  /** Something is wrong with the file; undefined: it is over. Must not throw. Default: `trouble` alone says it. */
  readonly onTrouble?: (trouble: FileTrouble | undefined) => void
  /** Epoch milliseconds. Default: this machine's clock, which is not followed while it is set back. */
  readonly now?: () => number
}

/**
 * The store of one process, in a SQLite file. Throws an `Error` that names the folder when another
 * process has it open, when it cannot be made private, or when a newer release wrote it.
 */
export function createEmbeddedStore(options: EmbeddedStoreOptions): Store {
  const { dataDir, now = steadyNow(), onTrouble = () => undefined } = options
  const changes = createEmbeddedChanges({ identity })
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
    locks,
    due: createEmbeddedDue({ database, now }),
    custody: createEmbeddedCustodies({ database, now, run: randomUUID() }),
    budgets: createEmbeddedBudgets({ database, now }),
    documents: createEmbeddedDocuments({ database, now }),
    events: createEmbeddedEvents({ database }),
    changes,
    seals: createEmbeddedSeals({ database, now }),
    archive: createEmbeddedArchive({ database, now, forgetLock: locks.forget }),
    async identity() {
      // Asks the file, so that this is a proof of life.
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

/** What happens to the file is noticed within two of them. */
const LOOK_MS = 1_000

const monotonic = () => performance.now()

/**
 * The time since the start by whichever of both clocks it is longer: nothing that was to end lives on
 * because somebody set the clock back, and a machine that slept has slept.
 */
function steadyNow(): () => number {
  const started = { wall: Date.now(), monotonic: monotonic() }
  return () =>
    Math.floor(started.wall + Math.max(Date.now() - started.wall, monotonic() - started.monotonic))
}
