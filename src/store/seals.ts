/** Which sealing keys the records of integrations and their leases were sealed with, and other seals in the place of those. */
import type { Page, PageQuery } from './records.ts'

/** What stands before the first dot of sealed text: in a compact JWE the protected header, which names the key. */
export interface SealHeads {
  readonly name: string
  /** Empty where there is no secret. */
  readonly secrets: string
  /** Null: there is no lease. */
  readonly lease: string | null
  /** Null: there is no refresh token. */
  readonly refreshToken: string | null
}

/** Where codes lie: beside integrations, or beside the documents of a kind. */
export type MacPlace = 'integrations' | { readonly kind: string }

export interface MacHead {
  /** The integration's name, or the document's id. */
  readonly id: string
  /** Empty where it has none. */
  readonly uid: string
  readonly version: number
  /** Empty where there is none. */
  readonly mac: string
}

export interface Seals {
  /** In order of name. `limit` 1 to 1000. */
  list(page: PageQuery): Promise<Page<SealHeads>>
  /**
   * Compare-and-set on the sealed text itself, which is another at each write. False: it is not
   * `former` any more. It says the same as before, so that no version changes and nothing is
   * announced.
   */
  swapSecrets(name: string, former: string, sealed: string): Promise<boolean>
  swapLease(name: string, former: string, sealed: string): Promise<boolean>
  swapRefreshToken(name: string, former: string, sealed: string): Promise<boolean>
  /** In order of id. `limit` 1 to 1000. */
  macs(place: MacPlace, page: PageQuery): Promise<Page<MacHead>>
  /** The same for the code beside a record: uid, version and code must be as they were read. */
  swapMac(place: MacPlace, former: MacHead, mac: string): Promise<boolean>
}
