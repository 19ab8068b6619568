/** Counts the mints and the refusals of each hour, of all replicas together, for 24 hours. Counts are kept in memory and written in batches. A hit counts nothing. */
import { Type } from 'typebox'
import type { AuditEvents } from '../audit/event.ts'
import type { Events } from '../runtime/events.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { documentKind } from '../store/documents.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import { countedOnce } from '../store/integrity/unconfirmed.ts'
import type { BodyOf } from '../store/record-body.ts'
import type { Documents } from '../store/store.ts'

const Hour = Type.Object({
  /** Hours since 1970. */
  hour: Type.Number(),
  minted: Type.Number(),
  refused: Type.Number(),
})

type Hour = BodyOf<typeof Hour>

interface MintHour {
  /** Epoch milliseconds of its begin. */
  readonly at: number
  readonly minted: number
  readonly refused: number
}

export interface MintHours {
  /** The last 24 hours, the current one last. Replicas add their counts every 10 seconds. Throws `store_unavailable`. */
  read(): Promise<readonly MintHour[]>
  start(): void
  /** Writes the remaining counts. */
  stop(): Promise<void>
}

const HOURS = 24
const HOUR_MS = 3_600_000
const WRITE_MS = 10_000
const ALL = 'all'

const MINT_HOURS = documentKind({
  kind: 'mint-hours',
  schema: Type.Object({ hours: Type.Array(Hour) }),
  replacesCorrupt: true,
})

/** What is counted, by the audited action. */
const COUNTED = { 'token.minted': 'minted', 'token.refused': 'refused' } as const

export function createMintHours(dependencies: {
  readonly documents: Pick<Documents, 'read' | 'write'>
  readonly events: Pick<Events<AuditEvents>, 'on'>
  readonly runtime: Runtime
  readonly log: Pick<Log, 'info' | 'warn'>
}): MintHours {
  const { documents, events, runtime, log } = dependencies
  const { now } = runtime
  const outage = createOutageLogger(log, 'the counts of mints cannot be stored yet', runtime)
  let fresh: readonly Hour[] = []
  let writing: Promise<void> | undefined

  events.on('audit.recorded', ({ entry: { action } }) => {
    const counted = action in COUNTED ? COUNTED[action as keyof typeof COUNTED] : undefined
    if (counted === undefined) return
    const one = { hour: hourOf(now()), minted: 0, refused: 0, [counted]: 1 }
    fresh = added(fresh, [one], now())
  })

  const writeAll = async (): Promise<void> => {
    const batch = fresh
    fresh = []
    try {
      await countedOnce(() =>
        MINT_HOURS.update(
          documents,
          ALL,
          (stored) => ({ hours: added(stored?.body.hours ?? [], batch, now()) }),
          () => now() + (HOURS + 1) * HOUR_MS,
        ),
      )
    } catch (error) {
      fresh = added(batch, fresh, now())
      throw error
    }
  }

  /** Counts that come during a write wait for the next one. */
  const write = (): Promise<void> => {
    if (!writing && fresh.length > 0) {
      writing = writeAll().finally(() => {
        writing = undefined
      })
    }
    return writing ?? Promise.resolve()
  }

  const task = createTask({
    ...{ runtime, outage, firstMs: WRITE_MS, retryMs: WRITE_MS },
    async work() {
      if (fresh.length === 0) return { idleMs: WRITE_MS }
      await write()
      return WRITE_MS
    },
  })

  return {
    async read() {
      // A store that takes no change may still be read.
      await write().catch(outage.report)
      const stored = await unlessUnusable(MINT_HOURS.read(documents, ALL))
      const all = added(stored?.body.hours ?? [], fresh, now())
      const known = new Map(all.map((one) => [one.hour, one]))
      const current = hourOf(now())
      return Array.from({ length: HOURS }, (_, index) => {
        const hour = current - HOURS + 1 + index
        const { minted = 0, refused = 0 } = known.get(hour) ?? {}
        return { at: hour * HOUR_MS, minted, refused }
      })
    },
    start: task.start,
    async stop() {
      await task.stop()
      await writing?.catch(outage.report)
      await write().catch(outage.report)
    },
  }
}

const hourOf = (at: number): number => Math.floor(at / HOUR_MS)

/** The sum of both, in order, without hours that are over for 24 hours. */
function added(one: readonly Hour[], other: readonly Hour[], now: number): readonly Hour[] {
  const oldest = hourOf(now) - HOURS
  const byHour = new Map<number, Hour>()
  for (const { hour, minted, refused } of [...one, ...other]) {
    if (hour <= oldest) continue
    const before = byHour.get(hour)
    byHour.set(hour, {
      hour,
      minted: minted + (before?.minted ?? 0),
      refused: refused + (before?.refused ?? 0),
    })
  }
  return [...byHour.values()].sort((a, b) => a.hour - b.hour)
}
