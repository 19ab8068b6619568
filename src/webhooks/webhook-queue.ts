/** Events that are still to be delivered: in the store, so that they outlive the replica that noticed them. */
import type { Documents } from '../store/store.ts'
import type { WebhookEvent } from './webhook-event.ts'

export interface WebhookMeter {
  sent(outcome: 'delivered' | 'failed'): void
  lost(reason: 'expired' | 'full' | 'failed' | 'stopped'): void
}

export interface Queued {
  readonly event: WebhookEvent
  readonly queuedAt: number
  readonly tries: number
  /** Not to be sent before. */
  readonly nextAt: number
}

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

export const WEBHOOK_KIND = 'webhook'
/** Far more than people read. */
export const QUEUE_MAX = 1_000
/** How long an event is tried. */
export const KEPT_MS = 86_400_000
/** For whoever gives it up, to say so. */
const MARGIN_MS = 3_600_000

export interface WebhookQueueDependencies {
  readonly documents: Pick<Documents, 'list' | 'write' | 'remove'>
  readonly now: () => number
}

export function createWebhookQueue({ documents, now }: WebhookQueueDependencies): WebhookQueue {
  let count = 0

  const write = (queued: Queued, expected: number | 'absent') => {
    const { event, queuedAt, tries, nextAt } = queued
    return documents.write(
      WEBHOOK_KIND,
      event.id,
      JSON.stringify({ event, queuedAt, tries, nextAt } satisfies Queued),
      { expected, expiresAt: queuedAt + KEPT_MS + MARGIN_MS },
    )
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
      let after: string | undefined
      do {
        const page = await documents.list(WEBHOOK_KIND, {
          limit: QUEUE_MAX,
          ...(after !== undefined && { after }),
        })
        for (const { body, version } of page.items) {
          found.push({ ...(JSON.parse(body) as Queued), version })
        }
        after = page.next ?? undefined
      } while (after !== undefined)
      count = found.length
      return found.sort((a, b) => a.event.at - b.event.at)
    },
    async write(queued, expected) {
      const written = await write(queued, expected)
      return written && { ...queued, version: written.version }
    },
    async remove({ event, version }) {
      const isGone = await documents.remove(WEBHOOK_KIND, event.id, version)
      if (isGone) count -= 1
      return isGone
    },
    count: () => count,
  }
}
