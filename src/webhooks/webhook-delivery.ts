/** Delivers what is queued, at least once each, in order for each integration, for a day: whichever replica claims an event sends it. */

import type { OutageLogger } from '../runtime/outage-logger.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { within } from '../runtime/timeout.ts'
import { KEPT_MS, type StoredQueued, type WebhookQueue } from './webhook-queue.ts'
import type { SendFailure, WebhookSender } from './webhook-sender.ts'

const LOOK_MS = 15_000
/** An attempt, with what is around it: nobody else sends it meanwhile. */
export const ATTEMPT_MS = 10_000
const CLAIM_MS = ATTEMPT_MS + 5_000
const BACKOFF_MS = { least: 5_000, most: 600_000 }
/** After a failure this replica leaves the receiver alone for so long, whatever else is due. */
const REST_MS = 1_000

/** 5 s, doubled with each try, at most 10 minutes; up to a tenth less, so that replicas spread. */
export const backoffMs = (tries: number, random: () => number): number =>
  Math.min(BACKOFF_MS.most, BACKOFF_MS.least * 2 ** Math.min(tries, 20)) * (1 - random() / 10)

export function createWebhookDelivery(dependencies: {
  readonly queue: WebhookQueue
  readonly sender: WebhookSender
  readonly runtime: Runtime
  /** None of them may throw. */
  readonly onDelivered: () => void
  readonly onFailed: (failure: SendFailure) => void
  /** A day is over. */
  readonly onExpired: (queued: StoredQueued) => void
  /** The store cannot be written or read. */
  readonly outage: OutageLogger
}) {
  const { queue, sender, runtime, outage, onDelivered, onFailed, onExpired } = dependencies
  const { now, random, sleep } = runtime

  /** False: it is still in the way of those of its integration that came after it. */
  const attempt = async (queued: StoredQueued): Promise<boolean> => {
    if (now() - queued.queuedAt >= KEPT_MS) {
      if (await queue.remove(queued)) onExpired(queued)
      return true
    }
    const claimed = await queue.write({ ...queued, nextAt: now() + CLAIM_MS }, queued.version)
    if (!claimed) return false
    const send = (signal: AbortSignal) => sender.send(queued.event, signal)
    const failure = await within(ATTEMPT_MS, send, { signal: task.stopped, late: tooLate })
    if (!failure) {
      onDelivered()
      await queue.remove(claimed)
      return true
    }
    onFailed(failure)
    const pauseMs = Math.max(backoffMs(queued.tries, random), failure.retryAfterMs ?? 0)
    const next = { ...claimed, tries: queued.tries + 1, nextAt: now() + pauseMs }
    await queue.write(next, claimed.version)
    await sleep(REST_MS, task.stopped)
    return false
  }

  /** Gives when the next one is due, and whether one was attempted. */
  const look = async () => {
    let isAttempted = false
    const blocked = new Set<string>()
    let nextAt = Number.POSITIVE_INFINITY
    for (const queued of await queue.all()) {
      if (task.stopped.aborted) break
      const { integration } = queued.event
      if (blocked.has(integration)) continue
      const isDue = queued.nextAt <= now()
      isAttempted ||= isDue
      if (isDue && (await attempt(queued))) continue
      blocked.add(integration)
      if (queued.nextAt > now()) nextAt = Math.min(nextAt, queued.nextAt)
    }
    return { nextAt, isAttempted }
  }

  const task = createTask({
    ...{ runtime, outage, retryMs: LOOK_MS },
    async work() {
      const { nextAt, isAttempted } = await look()
      const pauseMs = Math.min(LOOK_MS, Math.max(0, nextAt - now()))
      return isAttempted ? pauseMs : { idleMs: pauseMs }
    },
  })

  return {
    /** Something may be due. */
    wake: task.wake,
    start: task.start,
    stop: task.stop,
  }
}

const tooLate = (): SendFailure => ({ why: 'timeout', retryAfterMs: undefined })
