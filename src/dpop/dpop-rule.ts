/** The `dpop` member of a definition. */
import type { KeyReference } from '../signers/remote-key.ts'

export const DPOP_MODES = ['off', 'on'] as const

export type DpopMode = (typeof DPOP_MODES)[number]

/** Where the key is: sealed in the store of the broker, or at a signer. */
type KeyStorage = 'broker' | { readonly signer: KeyReference }

export interface DpopRule {
  /** `on`: token requests have a proof, so that Salesforce binds the token. */
  readonly mode: DpopMode
  readonly keyStorage: KeyStorage
}

/** Whether token requests have a proof. Absent: off. */
export const asksForBound = ({
  dpop,
}: {
  readonly dpop?: Partial<DpopRule> | undefined
}): boolean => dpop?.mode === 'on'

/** The key at a signer. Undefined: the broker has the keys, or there are none. */
export const proofKeyIn = ({
  dpop,
}: {
  readonly dpop?: Partial<DpopRule> | undefined
}): KeyReference | undefined =>
  asksForBound({ dpop }) && typeof dpop?.keyStorage === 'object'
    ? dpop.keyStorage.signer
    : undefined
