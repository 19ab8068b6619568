/** What the store gives: its records, as every engine returns them. */

/** `limit` 1 to 1000. */
export interface PageQuery {
  readonly limit: number
  readonly after?: string
}

export interface Page<Item> {
  readonly items: readonly Item[]
  /** Names or ids, within the page, of records that cannot be used; absent: there is none. */
  readonly corrupt?: readonly string[]
  /** Pass as `after` for the next page; null on the last one. */
  readonly next: string | null
}
