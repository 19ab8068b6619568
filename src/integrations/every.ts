/** Every integration, in order of name: for work in the background, and for questions that no index answers. */
import { setImmediate as breath } from 'node:timers/promises'
import type { Integration } from './integration.ts'
import type { IntegrationStore } from './integration-store.ts'

/** So small that a request waits for little. */
const PAGE = 100

/** Requests are served between two pages: the embedded store answers at once, and a loop over it would let nobody in. */
export async function* everyIntegration(
  store: Pick<IntegrationStore, 'list'>,
): AsyncGenerator<Integration> {
  let after: string | undefined
  do {
    const page = await store.list({ limit: PAGE, ...(after !== undefined && { after }) })
    yield* page.items
    await breath()
    after = page.next ?? undefined
  } while (after !== undefined)
}
