/** How a request fails: by a problem that the broker answers, or without an answer. Neither contains the key or a token. */
import type { Problem } from './api/problems.ts'

const TEXT_MAX = 2_000

/** Removes control characters, because a terminal executes them. */
const printable = (text: unknown) =>
  typeof text === 'string' ? text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').slice(0, TEXT_MAX) : ''

/** The broker answered a problem (RFC 9457). Match on `code`. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly problem: Problem
  /** Seconds, if waiting helps. */
  readonly retryAfterSeconds: number | undefined

  constructor(problem: Problem, retryAfterSeconds?: number) {
    const { status, code, detail, remedy } = problem
    const words = [code, detail, remedy].map(printable).filter((text) => text !== '')
    super(`the broker answered ${status} ${words.join(': ')}`)
    this.problem = problem
    this.retryAfterSeconds = retryAfterSeconds
  }

  get code(): Problem['code'] {
    return this.problem.code
  }

  /** HTTP status. */
  get status(): number {
    return this.problem.status
  }

  /** What Salesforce said, for `grant_refused`. */
  get refusal(): Problem['refusal'] {
    return this.problem.refusal
  }

  get requestId(): string {
    return this.problem.request_id
  }
}

/** There is no answer of the broker: no connection, no answer in time, or an answer of something else. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError'
}
