/** Asks Salesforce about devices when their turn comes, on every replica; one takes each turn. */
import { createRounds } from '../store/rounds.ts'
import type { DeviceFlow } from './device-flow.ts'
import type { DeviceSchedule } from './device-schedule.ts'

export interface DevicePoller {
  start(): void
  stop(): Promise<void>
}

export interface DevicePollerDependencies {
  readonly schedule: Pick<DeviceSchedule, 'due'>
  readonly flow: Pick<DeviceFlow, 'poll'>
  /** While it is blocked nothing is asked: what comes of it could not be audited. */
  readonly audit: { isBlocked(): boolean }
  /** Ends early, without a failure, when the signal does. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly log: { warn(bindings: object, message: string): void }
}

const LOOK_MS = 1_000
const TROUBLE_MS = 5_000
/** How many one replica asks about at once. */
const CONCURRENCY = 8

export function createDevicePoller(dependencies: DevicePollerDependencies): DevicePoller {
  const { schedule, flow, audit, sleep, log } = dependencies
  const active = new Map<string, Promise<void>>()

  const look = async (stopped: AbortSignal): Promise<void> => {
    for await (const turn of schedule.due()) {
      if (stopped.aborted || active.size >= CONCURRENCY) return
      if (active.has(turn.id)) continue
      const polled = flow
        .poll(turn)
        .catch((error: unknown) =>
          log.warn({ err: error, connection: turn.id }, 'a device could not be asked about'),
        )
        .finally(() => active.delete(turn.id))
      active.set(turn.id, polled)
    }
  }

  const rounds = createRounds({
    async round(stopped) {
      if (!audit.isBlocked()) await look(stopped)
    },
    onTrouble: (error) => log.warn({ err: error }, 'devices cannot be asked about now'),
    intervalMs: LOOK_MS,
    againMs: TROUBLE_MS,
    sleep,
  })

  return {
    start: rounds.start,
    async stop() {
      await rounds.stop()
      await Promise.all(active.values())
    },
  }
}
