/** What a backup reads and a restore writes: records as they lie in the store, sealed, by many at a time. */
import type { Page } from './store.ts'

export interface ArchivedIntegration {
  readonly name: string
  readonly uid: string
  readonly version: number
  readonly digests: readonly string[]
  readonly definition: string
  readonly secrets: string
}

export interface ArchivedDocument {
  readonly id: string
  readonly body: string
  /** Null: it does not expire. */
  readonly expiresAt: number | null
}

export interface Archive {
  /** In order of name. `limit` 1 to 1000. */
  integrations(page: {
    readonly limit: number
    readonly after?: string
  }): Promise<Page<ArchivedIntegration>>
  /** In order of id, without what is over. `limit` 1 to 1000. */
  documents(
    kind: string,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<Page<ArchivedDocument>>
  /**
   * Puts them in the place of whatever has their names, all or none: uid and content as given; the
   * version above the given one and the former one, so that no ETag from before fits; without an
   * outcome. Announced.
   */
  putIntegrations(records: readonly ArchivedIntegration[]): Promise<void>
  /** The same for documents of one kind. One that is over by now is left out. */
  putDocuments(kind: string, records: readonly ArchivedDocument[]): Promise<void>
}
