/** Shares of the stored events. Each keeps its own newest events, so that many events of one kind do not remove others. */

interface ShareRow {
  /** Most events in the store, and most growing lines. */
  readonly keep: number
  /** Most separate events of one kind within an hour. Further ones share one growing line. */
  readonly listed: number
  /** Whether those who wait for them wait for the disk of the embedded store. The audit lines contain all of them. */
  readonly isDurable: boolean
  readonly meaning: string
}

/** In the order of storing, if many wait. */
export const SHARES = {
  changes: {
    keep: 100_000,
    listed: 100,
    isDurable: true,
    meaning: 'integrations and credentials: what was changed, and what became of them',
  },
  access: { keep: 10_000, listed: 100, isDurable: true, meaning: 'API keys' },
  service: {
    keep: 10_000,
    listed: 100,
    isDurable: true,
    meaning: 'the service, its settings, keyring and store',
  },
  tokens: {
    keep: 50_000,
    listed: 100,
    isDurable: false,
    meaning: 'tokens that came and were revoked',
  },
  refusals: { keep: 20_000, listed: 5, isDurable: false, meaning: 'mints that brought no token' },
  attempts: {
    keep: 10_000,
    listed: 20,
    isDurable: false,
    meaning: 'tests, proofs that failed, connecting, and unusual callers',
  },
  denials: {
    keep: 10_000,
    listed: 0,
    isDurable: false,
    meaning: 'denied requests of proven callers',
  },
  strangers: {
    keep: 5_000,
    listed: 0,
    isDurable: false,
    meaning: 'denied requests of nobody known',
  },
} as const satisfies Record<string, ShareRow>

export type AuditShare = keyof typeof SHARES

export const SHARE_NAMES = Object.keys(SHARES) as readonly AuditShare[]
