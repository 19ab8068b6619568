/** What freezes select, for lists. */
import type { Integration } from '../integration.ts'
import type { Reach } from './reach.ts'

export interface FrozenList {
  /** Every frozen integration has one of the names, in order, or is within one of the reaches. Both are empty if nothing is frozen. */
  places(): Promise<{ readonly names: readonly string[]; readonly reaches: readonly Reach[] }>
  /** Throws `record_corrupt`, `store_unavailable`. */
  has(integration: Integration): Promise<boolean>
}
