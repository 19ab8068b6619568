/** Every item of a list that comes in pages. */
import type { Integration } from '../../client/api/integrations.ts'
import type { Answer, ValetkeyClient } from '../../client/client.ts'

const PAGE = 200

export interface IntegrationFilter {
  readonly state?: Integration['status']['state'] | 'frozen'
  /** `key:value`. */
  readonly label?: string
}

export interface Listed {
  readonly items: readonly Integration[]
  /** Names of records that cannot be used. */
  readonly corrupt: readonly string[]
}

export async function listIntegrations(
  client: ValetkeyClient,
  filter: IntegrationFilter,
  signal?: AbortSignal,
): Promise<Listed> {
  const pages = await pagesOf((part) => {
    const query = { ...filter, ...part }
    return client.request('listIntegrations', { query, ...(signal && { signal }) })
  })
  return {
    items: pages.flatMap(({ items }) => items),
    corrupt: pages.flatMap(({ corrupt = [] }) => corrupt),
  }
}

/** What a request for a page has in its query. */
interface Part {
  readonly limit: number
  readonly cursor?: string
}

export async function pagesOf<Page extends { readonly next_cursor: string | null }>(
  read: (part: Part) => Promise<Answer<Page>>,
): Promise<readonly Page[]> {
  const pages: Page[] = []
  let cursor: string | null = null
  do {
    const { body }: Answer<Page> = await read({ limit: PAGE, ...(cursor !== null && { cursor }) })
    pages.push(body)
    cursor = body.next_cursor
  } while (cursor !== null)
  return pages
}

/** In the given order, at most `width` at once. */
export async function mapped<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = new Array(items.length)
  let next = 0
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) {
      results[at] = await work(items[at] as Item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
  return results
}
