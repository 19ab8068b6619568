/** The form of one row of the table of problems. */

/** One problem. Texts are for people, in Markdown. */
export interface ProblemRow {
  readonly status: number
  /** Its status where it passes by itself, always with `Retry-After`. Default: it has none. */
  readonly waitingStatus?: number
  readonly title: string
  readonly meaning: string
  /** What to do about it. `{name}` stands for the integration, where there is one. */
  readonly remedy: string
}
