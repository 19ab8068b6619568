/** Every integration, in order of name: for work in the background, and for questions that no index answers. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { pages } from '../store/records.ts'
import type { Integration } from './integration.ts'
import type { IntegrationStore } from './integration-store.ts'

/** So small that a request waits for little. */
const PAGE = 100

/** Requests are served between two pages: the embedded store answers at once, and a loop over it would let nobody in. */
export async function* everyIntegration(
  store: Pick<IntegrationStore, 'list'>,
): AsyncGenerator<Integration> {
  for await (const { items } of pages(store.list, { limit: PAGE })) {
    yield* items
    await yieldToEventLoop()
  }
}
