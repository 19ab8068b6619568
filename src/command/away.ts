/** Whether the broker is away for the moment, so that a view of it goes on. */
import { ProblemError, UnreachableError } from '../client/problem-error.ts'

export const isAway = (error: unknown): error is Error =>
  error instanceof UnreachableError || (error instanceof ProblemError && error.status === 503)
