/** How far the clocks of Salesforce's hosts are from ours, learned from the `Date` of their answers. */
export interface SalesforceClock {
  /** From any answer in Salesforce's own form, also from a refusal: what else answers has a clock of its own. */
  learn(host: string, exchange: TimedExchange): void
  /** By how much the host's clock is ahead, in milliseconds; 0 where nothing proves a difference. */
  aheadMs(host: string): number
}

export interface TimedExchange {
  /** The `Date` header; whole seconds. */
  readonly date: string | undefined
  readonly sentAt: number
  readonly receivedAt: number
}

export interface SalesforceClockDependencies {
  /** The clocks differ by more than 30 seconds, or (0) they do no more. */
  readonly onSkew: (host: string, aheadMs: number) => void
}

/** From here on an operator should know: assertions live for 150 seconds. */
export const ALARM_MS = 30_000
const HOSTS = 1_000

export function createSalesforceClock({ onSkew }: SalesforceClockDependencies): SalesforceClock {
  const ahead = new Map<string, number>()

  return {
    learn(host, exchange) {
      const date = Date.parse(exchange.date ?? '')
      if (Number.isNaN(date)) return
      const before = ahead.get(host) ?? 0
      const found = leastDifferenceMs(date, exchange)
      if (!ahead.has(host) && ahead.size >= HOSTS) ahead.clear()
      ahead.set(host, found)
      const isFar = Math.abs(found) > ALARM_MS
      if (isFar !== Math.abs(before) > ALARM_MS) onSkew(host, isFar ? found : 0)
    },
    aheadMs: (host) => ahead.get(host) ?? 0,
  }
}

/** By how much the sender of `date` is ahead at least: the header has whole seconds, and the way takes time. */
export function leastDifferenceMs(
  date: number,
  { sentAt, receivedAt }: Pick<TimedExchange, 'sentAt' | 'receivedAt'>,
): number {
  const least = date - receivedAt
  const most = date + 1_000 - sentAt
  if (least > 0) return least
  return most < 0 ? most : 0
}
