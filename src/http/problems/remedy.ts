/** What to do about a problem, as plain text for people. */
import { type BrokerError, PROBLEMS } from '../../errors/errors.ts'

const AS_THE_HEADER_SAYS = 'Wait as long as Retry-After says'

/** As the error has it, or the table, with the time to wait where that is known. */
export function problemRemedyOf({
  code,
  status,
  remedy,
  retryAfterMs,
}: Pick<BrokerError, 'code' | 'status' | 'remedy' | 'retryAfterMs'>): string {
  const text = (remedy ?? PROBLEMS[code].remedy).replaceAll('`', '')
  if (retryAfterMs === undefined) return text.replace(AS_THE_HEADER_SAYS, 'Wait a moment')
  const wait = `Wait ${secondsText(retryAfterMs)}`
  if (text.includes(AS_THE_HEADER_SAYS)) return text.replace(AS_THE_HEADER_SAYS, wait)
  // It says itself how long, or it is not a matter of time.
  const isAllToDo = (status === 429 || status >= 500) && !text.startsWith('Wait ')
  return isAllToDo ? `${wait}, and ask again. ${text}` : text
}

/** Whole seconds, at least one, as `Retry-After` has them. */
export const wholeSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1_000))

const secondsText = (ms: number): string => {
  const seconds = wholeSeconds(ms)
  return seconds === 1 ? '1 second' : `${seconds} seconds`
}
