/** Every item of a list that comes in pages. */

import type { Integration, IntegrationList } from '../../client/api/integrations.ts'
import type { Answer, RequestOf, ValetkeyClient } from '../../client/client.ts'

const PAGE = 200

type Query = NonNullable<RequestOf<'listIntegrations'>['query']>

export interface IntegrationFilter {
  readonly state?: Integration['status']['state']
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
  const items: Integration[] = []
  const corrupt: string[] = []
  let cursor: string | null = null
  do {
    const query: Query = { ...filter, limit: PAGE, ...(cursor !== null && { cursor }) }
    const { body }: Answer<IntegrationList> = await client.request('listIntegrations', {
      query,
      ...(signal && { signal }),
    })
    items.push(...body.items)
    corrupt.push(...(body.corrupt ?? []))
    cursor = body.next_cursor
  } while (cursor !== null)
  return { items, corrupt }
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
