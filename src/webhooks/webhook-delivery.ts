/** Delivers queued events at least once, in order for each integration, for one day. The replica that claims an event sends it. */

import type { OutageLogger } from '../runtime/outage-logger.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { within } from '../runtime/timeout.ts'
import { KEPT_MS, type StoredQueued, type WebhookQueue } from './webhook-queue.ts'
import type { SendFailure, WebhookSender } from './webhook-sender.ts'

const LOOK_MS = 15_000
/** Longest time of an attempt with its writes. Meanwhile no other replica sends the event. */
export const ATTEMPT_MS = 10_000
const CLAIM_MS = ATTEMPT_MS + 5_000
const BACKOFF_MS = { least: 5_000, most: 600_000 }
/** After a failure, this replica sends nothing for this time. */
const REST_MS = 1_000

/** 5 s, doubled with each try, at most 10 minutes. Up to a tenth less, so that replicas do not act at the same time. */
export const backoffMs = (tries: number, random: () => number): number =>
  Math.min(BACKOFF_MS.most, BACKOFF_MS.least * 2 ** Math.min(tries, 20)) * (1 - random() / 10)

export function createWebhookDelivery(dependencies: {
  readonly queue: WebhookQueue
  readonly sender: WebhookSender
  readonly runtime: Runtime
  /** These callbacks must not throw. */
  readonly onDelivered: () => void
  readonly onFailed: (failure: SendFailure) => void
  /** The event was not delivered within a day. */
  readonly onExpired: (queued: StoredQueued) => void
  /** Reports failures of the store. */
  readonly outage: OutageLogger
}) {
  const { queue, sender, runtime, outage, onDelivered, onFailed, onExpired } = dependencies
  const { now, random, sleep } = runtime

  /** False: it still blocks later events of its integration. */
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

  /** Returns when the next event is due, and whether one was attempted. */
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
    /** Called when an event may be due. */
    wake: task.wake,
    start: task.start,
    stop: task.stop,
  }
}

const tooLate = (): SendFailure => ({ why: 'timeout', retryAfterMs: undefined })
