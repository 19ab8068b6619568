// Made by `npm run generate` from openapi.yaml.

/** Of the integrations that you may see. */
export interface IntegrationSummary {
  /** False: the index is being built or is behind; some integrations are counted as they were, or not at all. Ask again in a minute. */
  readonly complete: boolean
  readonly total: number
  /** `unusable`: those whose record cannot be used (`record_corrupt`). */
  readonly states: {
    readonly draft: number
    readonly unproven: number
    readonly ready: number
    readonly propagating: number
    readonly refused: number
    readonly identity_changed: number
    readonly disabled: number
    readonly not_connected: number
    readonly unusable: number
  }
  /** The most frequent ones first, at most 200. */
  readonly labels: readonly {
    readonly key: string
    readonly value: string
    readonly count: number
  }[]
  /** Other labels. */
  readonly labels_left_out: number
  /** Active certificates by the week of their end, also of past weeks. */
  readonly certificates: readonly {
    /** Its Monday, in UTC. */
    readonly week: string
    readonly count: number
  }[]
  /** Integrations whose last refusal is remembered, by its reason; also those whose token still lives. */
  readonly refusals: readonly {
    readonly reason: string
    readonly count: number
  }[]
}
