import type { Clock } from './clock.ts'
import type { Settings } from './settings.ts'

/** Login History: each token request of a known user is a login, with an hourly limit. */
export interface LoginHistory {
  record(login: Omit<Login, 'at'>): void
  rows(): readonly Login[]
  /** Counts an attempt. False: the user reached the hourly limit. */
  admit(userId: string): boolean
  clear(): void
}

export interface Login {
  readonly at: number
  readonly orgId: string
  readonly userId: string
  readonly username: string
  readonly application: string
  readonly sourceIp: string
  /** `Success`, or the kind of failure. */
  readonly status: string
}

interface LoginHistoryDependencies {
  readonly clock: Clock
  readonly settings: () => Settings
}

const HOUR_MS = 3_600_000
const ROWS_KEPT = 10_000

export function createLoginHistory({ clock, settings }: LoginHistoryDependencies): LoginHistory {
  let rows: Login[] = []
  const attempts = new Map<string, readonly number[]>()
  return {
    record(login) {
      rows.push({ at: clock.now(), ...login })
      if (rows.length > 2 * ROWS_KEPT) rows = rows.slice(-ROWS_KEPT)
    },
    rows: () => rows.slice(-ROWS_KEPT),
    admit(userId) {
      const since = clock.now() - HOUR_MS
      const recent = (attempts.get(userId) ?? []).filter((at) => at > since)
      const isWithin = recent.length < settings().loginsPerHour
      attempts.set(userId, isWithin ? [...recent, clock.now()] : recent)
      return isWithin
    },
    clear() {
      rows = []
      attempts.clear()
    },
  }
}
