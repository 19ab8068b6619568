/** The part of the port that counts what is spent: logins, and attempts to authenticate. */

export interface Charge {
  readonly key: string
  /** How much may be spent in the window. */
  readonly limit: number
  /** A sliding window, counted in 60 buckets of `windowMs / 60`. An amount counts until its whole bucket has left, so that no window ever holds more than the limit. */
  readonly windowMs: number
  /** 1 by default; 0 only asks whether 1 would be granted. */
  readonly amount?: number
}

export type ChargeResult =
  | { readonly granted: true }
  /** The first key that would go over its limit, and when enough of it will be free. */
  | { readonly granted: false; readonly key: string; readonly retryAt: number }

/** Amounts spent in sliding windows, over the fleet. */
export interface Budgets {
  /** BUDGET: charges all or none. */
  take(charges: readonly Charge[]): Promise<ChargeResult>
  used(key: string, windowMs: number): Promise<number>
}
