/** Iterates over all integrations in order of name, for background work and for questions without an index. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { pages } from '../store/records.ts'
import type { Integration } from './integration.ts'
import type { IntegrationStore } from './integration-store.ts'

/** Small, so that requests wait only briefly. */
const PAGE = 100

/** Serves requests between two pages. The embedded store answers synchronously, so a loop without this yield blocks the event loop. */
export async function* everyIntegration(
  store: Pick<IntegrationStore, 'list'>,
  /** Only names after it. */
  after?: string,
): AsyncGenerator<Integration> {
  for await (const { items } of pages(store.list, { limit: PAGE, after })) {
    yield* items
    await yieldToEventLoop()
  }
}
