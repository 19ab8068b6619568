/** A bound on the time that one check may take; what it waits for goes on. */
import { BrokerError } from '../errors.ts'

/** A little less than the 5 seconds that are promised. */
export const CHECK_MS = 4_900

/** Throws `salesforce_timeout` where the work is not done in time. */
export async function withinLimit<Result>(work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const error = () => new BrokerError('salesforce_timeout', 'There was no answer in 5 seconds')
    timer = setTimeout(() => reject(error()), CHECK_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
