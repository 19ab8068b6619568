/** The `dpop` member of a definition. */
export const DPOP_MODES = ['off', 'on'] as const
export const KEY_STORAGES = ['broker'] as const

export type DpopMode = (typeof DPOP_MODES)[number]

export interface DpopRule {
  /** `on`: token requests have a proof, so that Salesforce binds the token. */
  readonly mode: DpopMode
  /** Where the key is: sealed in the store of the broker. */
  readonly keyStorage: (typeof KEY_STORAGES)[number]
}

/** Whether token requests have a proof. Absent: off. */
export const asksForBound = ({
  dpop,
}: {
  readonly dpop?: Partial<DpopRule> | undefined
}): boolean => dpop?.mode === 'on'
