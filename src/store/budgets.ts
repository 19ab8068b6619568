/** The part of the port that counts logins and attempts to authenticate. */

export interface Charge {
  readonly key: string
  /** Largest sum in the window. */
  readonly limit: number
  /** A sliding window with 60 buckets of `windowMs / 60`. An amount counts until its complete bucket has left the window, so that no window exceeds the limit. */
  readonly windowMs: number
  /** Default: 1. With 0, the method only tests whether 1 would be granted. */
  readonly amount?: number
}

export type ChargeResult =
  | { readonly granted: true }
  /** The first key that would exceed its limit, and when it will be free. */
  | { readonly granted: false; readonly key: string; readonly retryAt: number }

/** The lock of an integration, and the state of that integration which is worth a charge. */
export interface ChargeUnderLock {
  readonly name: string
  readonly owner: string
  readonly ttlMs: number
  readonly uid: string
  readonly version: number
  readonly orev: number
}

/** `locked`: another owner holds the lock. `changed`: the lock is taken, but the integration has another state, so nothing is charged. */
export type LockedChargeResult = 'locked' | 'changed' | ChargeResult

/** Sums in sliding windows, shared by all replicas. */
export interface Budgets {
  /** BUDGET: charges all or none. */
  take(charges: readonly Charge[]): Promise<ChargeResult>
  /** Takes the lock of an integration and, if it has this state, charges as `take`. */
  takeUnderLock(charges: readonly Charge[], lock: ChargeUnderLock): Promise<LockedChargeResult>
  used(key: string, windowMs: number): Promise<number>
}
