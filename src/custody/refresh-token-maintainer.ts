/** Maintains refresh tokens on any replica: settles unsettled ones, and uses idle ones before they expire. */

import { BrokerError } from '../errors/errors.ts'
import type { ProblemCode } from '../errors/problems.ts'
import type { OutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask, pauseUntil } from '../runtime/tasks.ts'
import type { Custodies, CustodyRecord } from '../store/custody.ts'
import { SETTLE_MS } from './connection.ts'
import { LOOK_MS } from './custody-store.ts'

export type RefreshTokenMaintainer = ReturnType<typeof createRefreshTokenMaintainer>

export interface RefreshTokenMaintainerDependencies {
  readonly custody: Pick<Custodies, 'read' | 'claim' | 'lookAt'>
  /** Days for which a refresh token of this integration may be idle. Undefined: it is gone, disabled, or its grant uses none. */
  readonly idleDaysOf: (name: string, uid: string) => Promise<number | undefined>
  /** Finds out the result of the last presentation. */
  readonly settle: (name: string) => Promise<'settled' | 'unknown'>
  /** Mints if there is no token. */
  readonly exercise: (name: string) => Promise<unknown>
  readonly runtime: Runtime
  readonly outage: OutageLogger
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** Shortest time between reads of the index. */
const PERIOD_MS = 1_000
/** Most concurrent maintenance work of one replica. */
const CONCURRENCY = 16
/** If this replica dies, another one takes over after this time. */
const POSTPONE_MS = 15_000
/** Pause after a failure. */
const AGAIN_MS = 5_000
/** Pause after a failed exercise, because the idle limit is far away. */
const AGAIN_LATER_MS = 15 * 60_000
/** The outcome cannot be settled, or only after somebody changes the integration. */
const OVER: ReadonlySet<ProblemCode> = new Set([
  'integration_not_connected',
  'integration_not_found',
  'integration_disabled',
  'integration_draft',
])
const DAY_MS = 86_400_000
/** Share of the idle limit after which a token is used. It leaves time for days without Salesforce. */
const EXERCISE_AT = 0.7

export function createRefreshTokenMaintainer(dependencies: RefreshTokenMaintainerDependencies) {
  const { custody, idleDaysOf, settle, exercise, runtime, outage, log } = dependencies
  const active = new Map<string, Promise<void>>()

  /** The time of the next look. */
  const settled = async (name: string, { at }: CustodyRecord, now: number): Promise<number> => {
    if (now < at + SETTLE_MS) return at + SETTLE_MS
    try {
      if ((await settle(name)) === 'settled') return now + LOOK_MS
      // Only one more use can show the state of the token.
      await exercise(name)
      return now + LOOK_MS
    } catch (error) {
      if (error instanceof BrokerError && OVER.has(error.code)) return now + LOOK_MS
      log.warn({ err: error, integration: name }, 'the state of a refresh token is not known yet')
      const restMs = error instanceof BrokerError ? (error.retryAfterMs ?? 0) : 0
      return now + Math.max(AGAIN_MS, Math.min(restMs, LOOK_MS))
    }
  }

  const exercised = async (name: string, { uid, keptAt }: CustodyRecord, now: number) => {
    const idleDays = await idleDaysOf(name, uid)
    if (idleDays === undefined) return now + LOOK_MS
    const exerciseAt = keptAt + idleDays * DAY_MS * EXERCISE_AT
    if (now < exerciseAt) return Math.min(Math.ceil(exerciseAt), now + LOOK_MS)
    try {
      await exercise(name)
      log.info({ integration: name }, 'an idle refresh token was used, to keep it valid')
      return now + LOOK_MS
    } catch (error) {
      log.warn({ err: error, integration: name }, 'an idle refresh token could not be used yet')
      return now + AGAIN_LATER_MS
    }
  }

  const lookAfter = async (name: string): Promise<void> => {
    const { record, now } = await custody.read(name)
    if (!record || record.state === 'dead') return
    const next =
      record.state === 'spend'
        ? await settled(name, record, now)
        : await exercised(name, record, now)
    // A use meanwhile has set its own time for the next look.
    const { record: after } = await custody.read(name)
    if (after?.at === record.at) await custody.lookAt(name, next)
  }

  const begin = (name: string) => {
    const work = lookAfter(name)
      .then(outage.over, outage.report)
      .finally(() => {
        active.delete(name)
        // It may have set the time of its next look.
        task.wake()
      })
    active.set(name, work)
  }

  const task = createTask({
    ...{ runtime, outage, retryMs: PERIOD_MS },
    async work() {
      const free = CONCURRENCY - active.size
      // Only one that was looked after to the end shows that this works again.
      if (free === 0) return { idleMs: PERIOD_MS }
      const { names, nextInMs } = await custody.claim(free, POSTPONE_MS)
      for (const name of names) if (!active.has(name)) begin(name)
      return { idleMs: pauseUntil(nextInMs, 0, PERIOD_MS) }
    },
  })

  return {
    start: task.start,
    wake: task.wake,
    tick: task.tick,
    /** Starts no new work, and waits for running work. */
    async stop(): Promise<void> {
      await task.stop()
      await Promise.all(active.values())
    },
  }
}
