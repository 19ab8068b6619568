/** Events that are still to be delivered: in the store, so that they outlive the replica that noticed them. */
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
  /** Not to be sent before. */
  nextAt: Type.Number(),
})

type Queued = BodyOf<typeof Queued>

export interface StoredQueued extends Queued {
  readonly version: number
}

export interface WebhookQueue {
  /** `known`: it waits already; `full`: it is lost. */
  add(event: WebhookEvent): Promise<'added' | 'known' | 'full'>
  /** Oldest first. */
  all(): Promise<readonly StoredQueued[]>
  /** Compare-and-set. Undefined: another replica was faster. */
  write(queued: Queued, expected: number): Promise<StoredQueued | undefined>
  /** False: another replica was faster. */
  remove(queued: StoredQueued): Promise<boolean>
  /** When it was last looked at, and since. */
  count(): number
}

const WEBHOOKS = documentKind({ kind: 'webhook', schema: Queued })
export const WEBHOOK_KIND = WEBHOOKS.kind
/** Far more than people read. */
export const QUEUE_MAX = 1_000
/** How long an event is tried. */
export const KEPT_MS = 86_400_000
/** For whoever gives it up, to say so. */
const MARGIN_MS = 3_600_000

interface WebhookQueueDependencies {
  readonly documents: Pick<Documents, 'list' | 'write' | 'remove'>
  readonly now: () => number
}

export function createWebhookQueue({ documents, now }: WebhookQueueDependencies): WebhookQueue {
  let count = 0

  const write = (queued: Queued, expected: number | 'absent') => {
    const { event, queuedAt, tries, nextAt } = queued
    const expiresAt = queuedAt + KEPT_MS + MARGIN_MS
    const body = { event, queuedAt, tries, nextAt }
    return WEBHOOKS.claim(documents, event.id, body, { expected, expiresAt })
  }

  return {
    async add(event) {
      if (count >= QUEUE_MAX) return 'full'
      const at = now()
      const written = await write({ event, queuedAt: at, tries: 0, nextAt: at }, 'absent')
      if (!written) return 'known'
      count += 1
      return 'added'
    },
    async all() {
      const found: StoredQueued[] = []
      for await (const { body, version } of WEBHOOKS.all(documents)) {
        found.push({ ...body, version })
      }
      count = found.length
      return found.sort((a, b) => a.event.at - b.event.at)
    },
    async write(queued, expected) {
      const written = await write(queued, expected)
      return written && { ...queued, version: written.version }
    },
    async remove({ event, version }) {
      const isGone = await WEBHOOKS.erase(documents, event.id, version)
      if (isGone) count -= 1
      return isGone
    },
    count: () => count,
  }
}
