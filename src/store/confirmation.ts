/** When the store last confirmed what is remembered of it, by a clock that never steps: how old it may be is measured here alone. */

export interface Confirmation {
  /** When it was last known to be right: the read, or the last word from the store before a gap. By the monotonic clock. */
  readonly confirmedAt: number
  /** A gap came after it. */
  readonly isPast: boolean
}

export interface ConfirmationDependencies {
  /** Milliseconds since the last completed read of the change stream began; infinite before the first one. */
  readonly hearing: { silentForMs(): number }
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
}

export interface Confirmations {
  /** Of a read that began at this time. */
  read(at: number): Confirmation
  /** At the first gap after it: what the stream says from now on confirms nothing that was read before. */
  past(confirmation: Confirmation): Confirmation
  /** Milliseconds since the last word from the store: it was read, or the stream was heard without a gap since. */
  silentForMs(confirmation: Confirmation): number
}

export function createConfirmations(dependencies: ConfirmationDependencies): Confirmations {
  const { hearing, monotonic } = dependencies
  return {
    read: (confirmedAt) => ({ confirmedAt, isPast: false }),
    past: ({ confirmedAt }) => ({
      confirmedAt: Math.max(confirmedAt, monotonic() - hearing.silentForMs()),
      isPast: true,
    }),
    silentForMs({ confirmedAt, isPast }) {
      const sinceMs = monotonic() - confirmedAt
      return isPast ? sinceMs : Math.min(sinceMs, hearing.silentForMs())
    },
  }
}
