/** Detects a slow store: it answers, but too late for callers to wait. The log has one line when this begins and one when it ends. A store that is only late is logged in the same way, with no other effect. */
import type { Log } from '../runtime/runtime.ts'

export interface Pace {
  /** Records the duration of a read, and whether the store answered. */
  note(tookMs: number, isAnswered: boolean): void
  isSlow(): boolean
}

interface PaceDependencies {
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** The store is slow if more than half of its reads take longer */
export const SLOW_MS = 250
/** during this time. */
export const WINDOW_MS = 5_000

/** It is fast again if at least half of its reads take less */
const QUICK_MS = 125
/** during this time, which is short so that a recovered store is soon used again. */
const RECOVERY_MS = 2_500

/** Reads are counted in slots of this duration. */
const SLOT_MS = 250
/** Slow reads must occur in several slots, because one delay may affect many reads. */
const SLOW_SLOTS = 2
const LEAST = 2

interface Slot {
  /** Number of the slot on the clock. */
  readonly number: number
  reads: number
  slow: number
  quick: number
}

export function createPace({ monotonic, log }: PaceDependencies): Pace {
  const slots: Slot[] = []
  let isSlow = false
  let isLate = false
  /** The slot that was judged last. */
  let judged: number | undefined

  const slotNumber = () => Math.floor(monotonic() / SLOT_MS)

  const within = (ms: number): readonly Slot[] => {
    const first = slotNumber() - ms / SLOT_MS
    return slots.filter(({ number }) => number > first)
  }

  const becomesSlow = () => {
    const recent = within(WINDOW_MS)
    const slow = sum(recent, 'slow')
    const isSpread = recent.filter((slot) => slot.slow > 0).length >= SLOW_SLOTS
    return isSpread && slow >= LEAST && slow * 2 > sum(recent, 'reads')
  }

  /** More than half of the reads took longer than {@link QUICK_MS}. */
  const becomesLate = () => {
    const recent = within(WINDOW_MS)
    const reads = sum(recent, 'reads')
    const isSpread = recent.filter(({ reads, quick }) => reads > quick).length >= SLOW_SLOTS
    return isSpread && reads >= LEAST && sum(recent, 'quick') * 2 < reads
  }

  /** Drops older reads, which would otherwise end the recovery at once. */
  const becomesQuick = () => {
    const recent = within(RECOVERY_MS)
    const reads = sum(recent, 'reads')
    const isQuick = reads >= LEAST && sum(recent, 'quick') * 2 >= reads
    if (isQuick) slots.splice(0, slots.length, ...recent)
    return isQuick
  }

  /** A store that answers nothing is unavailable, not slow. */
  const isSilent = () => sum(within(WINDOW_MS), 'reads') === 0

  const judge = () => {
    if (!isSlow && becomesSlow()) {
      isSlow = true
      log.warn(
        { slowMs: SLOW_MS, windowMs: WINDOW_MS },
        'the store is slow: leases in memory serve without it; see docs/troubleshooting.md#a-slow-store',
      )
    } else if (isSlow && (isSilent() || becomesQuick())) {
      isSlow = false
      isLate = false
      log.info({ slowMs: SLOW_MS }, 'the store is no longer slow')
    } else if (!isSlow && !isLate && becomesLate()) {
      isLate = true
      log.warn(
        { cause: 'late', lateMs: QUICK_MS, windowMs: WINDOW_MS },
        'the store answers late: changes and first reads of a token take longer; see docs/troubleshooting.md#a-slow-store',
      )
    } else if (!isSlow && isLate && becomesQuick()) {
      isLate = false
      log.info({ lateMs: QUICK_MS }, 'the store is no longer late')
    }
  }

  return {
    note(tookMs, isAnswered) {
      // A fast failure shows nothing; a late one delayed a caller.
      if (!isAnswered && tookMs <= SLOW_MS) return
      const number = slotNumber()
      let slot = slots.at(-1)
      if (slot?.number !== number) {
        slot = { number, reads: 0, slow: 0, quick: 0 }
        slots.push(slot)
        if (slots.length > WINDOW_MS / SLOT_MS) slots.shift()
      }
      slot.reads += 1
      if (tookMs > SLOW_MS) slot.slow += 1
      const isQuick = isAnswered && tookMs <= QUICK_MS
      if (isQuick) slot.quick += 1
      // Another quick read of the same slot makes no store slow or late.
      if (isQuick && !isSlow && !isLate && judged === number) return
      judged = number
      judge()
    },
    isSlow() {
      if (isSlow) judge()
      return isSlow
    },
  }
}

const sum = (slots: readonly Slot[], member: 'reads' | 'slow' | 'quick'): number =>
  slots.reduce((total, slot) => total + slot[member], 0)
