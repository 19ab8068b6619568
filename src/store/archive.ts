/** The part of the port for backup and restore: sealed records, many at a time. */
import type { Page, PageQuery } from './records.ts'

/** The refresh token of an integration and its state. */
export interface ArchivedCustody {
  readonly family: string
  readonly g: number
  /** Sealed; empty if there is none. */
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
  /** Null: the integration never had one. */
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

/** `mac` is valid for one version only, so the record gets the version `becomes`, or nothing is written. */
export type Put<Record> = Record & { readonly becomes?: number }

export interface Archive {
  /** In order of name. `limit` 1 to 1000. */
  integrations(page: PageQuery): Promise<Page<ArchivedIntegration>>
  /** Unexpired documents in order of id. `limit` 1 to 1000. */
  documents(kind: string, page: PageQuery): Promise<Page<ArchivedDocument>>
  /**
   * Replaces records with these names, all or none. Keeps uid and content. Sets the version above
   * both the given and the existing one, so that no earlier ETag matches. Removes the outcome.
   * Announced.
   *
   * The refresh token may have been used since the backup, so its state becomes `spend` with the id
   * `custody.id`: it is not presented before its validity is confirmed. An existing valid token of
   * the same uid that is not older is kept, because it may be the only copy.
   *
   * False: a record could not get its version `becomes`, and nothing was written.
   */
  putIntegrations(
    records: readonly Put<ArchivedIntegration>[],
    custody: { readonly id: string; readonly lookInMs: number },
  ): Promise<boolean>
  /** The same for documents of one kind. Omits expired ones. */
  putDocuments(kind: string, records: readonly Put<ArchivedDocument>[]): Promise<boolean>
  /** Removes the record in any version, also if it is corrupt. False: there is none. Announced. */
  eraseIntegration(name: string): Promise<boolean>
  eraseDocument(kind: string, id: string): Promise<boolean>
}
