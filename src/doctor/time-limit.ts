/** The time limit of one check. */
import { BrokerError } from '../errors/errors.ts'

/** Slightly less than the promised 5 seconds, in milliseconds. */
export const CHECK_MS = 4_900

export function tooSlow(): never {
  throw new BrokerError('salesforce_timeout', 'There was no answer within 5 seconds')
}
