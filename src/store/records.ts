/** What the store gives: its records, as every engine returns them. */

/** `limit` 1 to 1000. */
export interface PageQuery {
  readonly limit: number
  readonly after?: string
}

export interface Page<Item> {
  readonly items: readonly Item[]
  /** Names or ids of unusable records within the page; absent: none. */
  readonly corrupt?: readonly string[]
  /** Pass as `after` for the next page; null on the last page. */
  readonly next: string | null
}
