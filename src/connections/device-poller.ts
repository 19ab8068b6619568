/** Polls Salesforce for devices when their turn is due. All replicas do so, and each turn is taken by one. */
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask, pauseUntil } from '../runtime/tasks.ts'
import type { DeviceFlow } from './device-flow.ts'
import type { DeviceSchedule } from './device-schedule.ts'

/** Shortest time between reads of the schedule. */
const LOOK_MS = 1_000
const TROUBLE_MS = 5_000
/** Most concurrent polls of one replica. */
const CONCURRENCY = 8

export function createDevicePoller(dependencies: {
  readonly schedule: Pick<DeviceSchedule, 'turns'>
  readonly flow: Pick<DeviceFlow, 'poll'>
  /** While the audit is blocked, no poll is sent, because its result could not be audited. */
  readonly audit: { isBlocked(): boolean }
  readonly runtime: Runtime
  readonly log: Log
}) {
  const { schedule, flow, audit, runtime, log } = dependencies
  const active = new Map<string, Promise<void>>()

  /** Returns when the next turn is due. */
  const look = async (): Promise<number> => {
    let nextAt = Number.POSITIVE_INFINITY
    for await (const turn of schedule.turns()) {
      if (task.stopped.aborted || active.size >= CONCURRENCY) return runtime.now()
      if (active.has(turn.id)) continue
      if (turn.nextAt > runtime.now()) {
        nextAt = Math.min(nextAt, turn.nextAt)
        continue
      }
      const polled = flow
        .poll(turn)
        .catch((error: unknown) => {
          log.warn({ err: error, connection: turn.id }, 'a device could not be polled')
          // Its turn is still due, and would be taken again at once.
          return runtime.sleep(TROUBLE_MS, task.stopped)
        })
        .finally(() => {
          active.delete(turn.id)
          // It was left out of the times to wait for.
          task.wake()
        })
      active.set(turn.id, polled)
    }
    return nextAt
  }

  const task = createTask({
    ...{ runtime, retryMs: TROUBLE_MS },
    outage: createOutageLogger(log, 'devices cannot be polled', runtime),
    async work() {
      if (audit.isBlocked()) return { idleMs: LOOK_MS }
      return pauseUntil(await look(), runtime.now(), LOOK_MS)
    },
  })

  return {
    start: task.start,
    wake: task.wake,
    tick: task.tick,
    async stop(): Promise<void> {
      await task.stop()
      await Promise.all(active.values())
    },
  }
}
