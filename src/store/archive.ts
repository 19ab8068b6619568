/** What a backup reads and a restore writes: records as they lie in the store, sealed, by many at a time. */
import type { Page, PageQuery } from './records.ts'

/** The refresh token of an integration, and whether there is hope for it. */
export interface ArchivedCustody {
  readonly family: string
  readonly g: number
  /** Sealed; empty where there is none. */
  readonly token: string
  readonly isDead: boolean
  readonly keptAt: number
  readonly reason: string
  readonly body: string
}

export interface ArchivedIntegration {
  readonly name: string
  readonly uid: string
  readonly version: number
  readonly digests: readonly string[]
  readonly definition: string
  readonly secrets: string
  /** Null where it never had one. */
  readonly custody: ArchivedCustody | null
  readonly mac?: string
}

export interface ArchivedDocument {
  readonly id: string
  readonly body: string
  /** Null: it does not expire. */
  readonly expiresAt: number | null
  /** Absent in backups of older releases. */
  readonly version?: number
  readonly mac?: string
}

/** What is put: `mac` is right for one version alone, so that it becomes this one, or nothing is put. */
export type Put<Record> = Record & { readonly becomes?: number }

export interface Archive {
  /** In order of name. `limit` 1 to 1000. */
  integrations(page: PageQuery): Promise<Page<ArchivedIntegration>>
  /** In order of id, without what is over. `limit` 1 to 1000. */
  documents(kind: string, page: PageQuery): Promise<Page<ArchivedDocument>>
  /**
   * Puts them in the place of whatever has their names, all or none: uid and content as given; the
   * version above the given one and the former one, so that no ETag from before fits; without an
   * outcome. Announced.
   *
   * A refresh token of the past may have been used up since, so it becomes `spend`, under
   * `custody.id`: it is not presented before somebody asked whether it lives. One that is there
   * already for this uid, lives, and is not older stays: it may be the only copy.
   *
   * False: one would not become the version that it is to become, and none was put.
   */
  putIntegrations(
    records: readonly Put<ArchivedIntegration>[],
    custody: { readonly id: string; readonly lookInMs: number },
  ): Promise<boolean>
  /** The same for documents of one kind. One that is over by now is left out. */
  putDocuments(kind: string, records: readonly Put<ArchivedDocument>[]): Promise<boolean>
  /** Whatever lies there, in whichever version, also where it is no record. False: nothing does. Announced. */
  eraseIntegration(name: string): Promise<boolean>
  eraseDocument(kind: string, id: string): Promise<boolean>
}
