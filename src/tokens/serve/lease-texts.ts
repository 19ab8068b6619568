/** Texts that follow from a lease alone, for the leases that were read last. */
import type { Lease } from './lease.ts'

/** Most texts of each of the two generations. */
const KEPT = 1_000

/**
 * Gives the text that `build` makes of a lease. Building it for each hit would cost a part of the
 * hit's time; keeping it of each lease would double what a lease takes in memory.
 */
export function createLeaseTexts(build: (lease: Lease) => string): (lease: Lease) => string {
  let texts = new WeakMap<Lease, string>()
  /** Those before. What is read again is taken over. */
  let former = texts
  let count = 0

  const remember = (lease: Lease): string => {
    const text = former.get(lease) ?? build(lease)
    if (count >= KEPT) {
      former = texts
      texts = new WeakMap()
      count = 0
    }
    texts.set(lease, text)
    count += 1
    return text
  }
  return (lease) => texts.get(lease) ?? remember(lease)
}
