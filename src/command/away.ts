/** Whether the broker is away for the moment, so that a view of it goes on. */
import { ProblemError, UnreachableError } from '../client/problem-error.ts'

/** Undefined: it is away, and `tell` was called with the reason. */
export async function unlessAway<Found>(
  reading: Promise<Found>,
  tell: (error: Error) => void,
): Promise<Found | undefined> {
  try {
    return await reading
  } catch (error) {
    const isAway =
      error instanceof UnreachableError || (error instanceof ProblemError && error.status === 503)
    if (!isAway) throw error
    tell(error)
    return undefined
  }
}
