/** Events that wait for delivery. They are in the store, so that they survive the replica that noticed them. */
import { Type } from 'typebox'
import { documentKind } from '../store/documents.ts'
import type { BodyOf } from '../store/record-body.ts'
import type { Documents } from '../store/store.ts'
import { WebhookEvent } from './webhook-event.ts'

export interface WebhookMeter {
  sent(outcome: 'delivered' | 'failed'): void
  lost(reason: 'expired' | 'full' | 'failed' | 'stopped'): void
}

const Queued = Type.Object({
  event: WebhookEvent,
  queuedAt: Type.Number(),
  tries: Type.Number(),
  /** Earliest time of the next attempt. */
  nextAt: Type.Number(),
})

type Queued = BodyOf<typeof Queued>

export interface StoredQueued extends Queued {
  readonly version: number
}

export type WebhookQueue = ReturnType<typeof createWebhookQueue>

const WEBHOOKS = documentKind({ kind: 'webhook', schema: Queued })
export const WEBHOOK_KIND = WEBHOOKS.kind
/** More than people read. */
export const QUEUE_MAX = 1_000
/** How long delivery of an event is tried. */
export const KEPT_MS = 86_400_000
/** Time in which a replica can report that it gave the event up. */
const MARGIN_MS = 3_600_000

interface WebhookQueueDependencies {
  readonly documents: Pick<Documents, 'list' | 'write' | 'remove'>
  readonly now: () => number
}

export function createWebhookQueue({ documents, now }: WebhookQueueDependencies) {
  let count = 0

  const write = (queued: Queued, expected: number | 'absent') => {
    const { event, queuedAt, tries, nextAt } = queued
    const expiresAt = queuedAt + KEPT_MS + MARGIN_MS
    const body = { event, queuedAt, tries, nextAt }
    return WEBHOOKS.claim(documents, event.id, body, { expected, expiresAt })
  }

  return {
    /** `known`: the event is already in the queue. `full`: the event is lost. */
    async add(event: WebhookEvent): Promise<'added' | 'known' | 'full'> {
      if (count >= QUEUE_MAX) return 'full'
      const at = now()
      const written = await write({ event, queuedAt: at, tries: 0, nextAt: at }, 'absent')
      if (!written) return 'known'
      count += 1
      return 'added'
    },
    /** Oldest first. */
    async all(): Promise<readonly StoredQueued[]> {
      const found: StoredQueued[] = []
      for await (const { body, version } of WEBHOOKS.all(documents)) {
        found.push({ ...body, version })
      }
      count = found.length
      return found.sort((a, b) => a.event.at - b.event.at)
    },
    /** Compare-and-set. Undefined: another replica was faster. */
    async write(queued: Queued, expected: number): Promise<StoredQueued | undefined> {
      const written = await write(queued, expected)
      return written && { ...queued, version: written.version }
    },
    /** False: another replica was faster. */
    async remove({ event, version }: StoredQueued): Promise<boolean> {
      const isGone = await WEBHOOKS.erase(documents, event.id, version)
      if (isGone) count -= 1
      return isGone
    },
    /** The number at the last read, with the changes since. */
    count: (): number => count,
  }
}
