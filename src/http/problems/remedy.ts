/** Formats the remedy of a problem as plain text. */
import type { BrokerError } from '../../errors/errors.ts'
import { PROBLEMS } from '../../errors/problems.ts'

const AS_THE_HEADER_SAYS = 'Wait as long as Retry-After says'

/** The remedy of the error or of the table, with the time to wait if it is known. */
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
  // The remedy already states the time, or waiting does not help.
  const isAllToDo = (status === 429 || status >= 500) && !text.startsWith('Wait ')
  return isAllToDo ? `${wait}, then try again. ${text}` : text
}

/** Whole seconds for `Retry-After`, at least 1. */
export const wholeSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1_000))

const secondsText = (ms: number): string => {
  const seconds = wholeSeconds(ms)
  return seconds === 1 ? '1 second' : `${seconds} seconds`
}
