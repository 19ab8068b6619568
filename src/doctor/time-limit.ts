/** The time that one check may take. */
import { BrokerError } from '../errors/errors.ts'

/** A little less than the 5 seconds that are promised, in milliseconds. */
export const CHECK_MS = 4_900

/** What is said of a check that did not end by then. */
export function tooSlow(): never {
  throw new BrokerError('salesforce_timeout', 'There was no answer in 5 seconds')
}
