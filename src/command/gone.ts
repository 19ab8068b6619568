/** Whether an integration still exists, because somebody may delete it at any time. */
import { ProblemError } from '../client/problem-error.ts'

/** Undefined: the broker says that it has no such integration. */
export async function unlessGone<Found>(reading: Promise<Found>): Promise<Found | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'integration_not_found') return undefined
    throw error
  }
}
