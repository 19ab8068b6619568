/** One row of the table of problems. Texts are Markdown for people. */
export interface ProblemRow {
  readonly status: number
  /** Status if the problem is temporary; always sent with `Retry-After`. Default: none. */
  readonly waitingStatus?: number
  readonly title: string
  readonly meaning: string
  /** `{name}` stands for the integration, if there is one. */
  readonly remedy: string
}
