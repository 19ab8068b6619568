/** The part of the port that reads and replaces seals and codes, when the sealing key changes. */
import type { Page, PageQuery } from './records.ts'

/** The text before the first dot of sealed data: the protected header of a compact JWE, which names the key. */
interface SealHeads {
  readonly name: string
  /** Empty: there is no secret. */
  readonly secrets: string
  readonly lease: string | null
  readonly refreshToken: string | null
}

/** Codes of integrations, or of the documents of a kind. */
export type MacPlace = 'integrations' | { readonly kind: string }

export interface MacHead {
  /** The name of the integration, or the id of the document. */
  readonly id: string
  readonly uid: string
  readonly version: number
  readonly mac: string
}

export interface Seals {
  /** In order of name. `limit` 1 to 1000. */
  list(page: PageQuery): Promise<Page<SealHeads>>
  /**
   * Compare-and-set on the sealed text. False: the text is no longer `former`. The plain text stays
   * the same, so the version does not change and nothing is announced.
   */
  swapSecrets(name: string, former: string, sealed: string): Promise<boolean>
  swapLease(name: string, former: string, sealed: string): Promise<boolean>
  swapRefreshToken(name: string, former: string, sealed: string): Promise<boolean>
  /** In order of id. `limit` 1 to 1000. */
  macs(place: MacPlace, page: PageQuery): Promise<Page<MacHead>>
  /** The same for the code of a record. Requires the uid, version and code that were read. */
  swapMac(place: MacPlace, former: MacHead, mac: string): Promise<boolean>
}
