/** Whether something still exists, because somebody may delete it at any time. */
import type { Problem } from '../client/api/problems.ts'
import { ProblemError } from '../client/problem-error.ts'

/** Undefined: the broker answers this problem. */
export async function unlessGone<Found>(
  reading: Promise<Found>,
  code: Problem['code'] = 'integration_not_found',
): Promise<Found | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof ProblemError && error.code === code) return undefined
    throw error
  }
}
