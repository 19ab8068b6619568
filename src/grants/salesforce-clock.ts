/** Differences between our clock and the clocks of Salesforce's hosts, measured with the `Date` header of answers. */
export type SalesforceClock = ReturnType<typeof createSalesforceClock>

interface TimedExchange {
  /** The `Date` header, in whole seconds. */
  readonly date: string | undefined
  readonly sentAt: number
  readonly receivedAt: number
}

interface SalesforceClockDependencies {
  /** Called when the difference exceeds 30 seconds, and with 0 when it no longer does. */
  readonly onSkew: (host: string, aheadMs: number) => void
}

/** Assertions are valid for 150 seconds, so an operator should know of such a difference. */
export const ALARM_MS = 30_000
const HOSTS = 1_000

export function createSalesforceClock({ onSkew }: SalesforceClockDependencies) {
  const ahead = new Map<string, number>()

  return {
    /** Accepts any answer in Salesforce's own form, also a refusal. Other servers have other clocks. */
    learn(host: string, exchange: TimedExchange): void {
      const date = Date.parse(exchange.date ?? '')
      if (Number.isNaN(date)) return
      const before = ahead.get(host) ?? 0
      const found = leastDifferenceMs(date, exchange)
      if (!ahead.has(host) && ahead.size >= HOSTS) ahead.clear()
      ahead.set(host, found)
      const isFar = Math.abs(found) > ALARM_MS
      if (isFar !== Math.abs(before) > ALARM_MS) onSkew(host, isFar ? found : 0)
    },
    /** By how much the clock of the host is ahead, in milliseconds; 0 if no difference is proven. */
    aheadMs: (host: string): number => ahead.get(host) ?? 0,
  }
}

/** The least difference that `date` proves: the header has whole seconds, and the network adds delay. */
export function leastDifferenceMs(
  date: number,
  { sentAt, receivedAt }: Pick<TimedExchange, 'sentAt' | 'receivedAt'>,
): number {
  const least = date - receivedAt
  const most = date + 1_000 - sentAt
  if (least > 0) return least
  return most < 0 ? most : 0
}
