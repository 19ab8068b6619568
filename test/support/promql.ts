/** What a query of Prometheus names: metrics of this service, and the labels that it picks series by. */

export interface Selector {
  /** Of the table: without what a histogram adds. */
  readonly metric: string
  readonly matchers: readonly Matcher[]
}

export interface Matcher {
  readonly label: string
  readonly operator: string
  readonly value: string
}

const SELECTOR = /\b(valetkey_\w+|up)\b(?!\()(?:\{([^}]*)\})?/g
const MATCHER = /(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g

/** Recorded series, with a colon in their name, are not of the service. */
export function namesIn(query: string): readonly Selector[] {
  return [...query.replace(/valetkey:\w+/g, '').matchAll(SELECTOR)].map(
    ([, name = '', inner = '']) => ({
      metric: name.replace(/_(bucket|sum|count)$/, ''),
      matchers: [...inner.matchAll(MATCHER)].map(([, label = '', operator = '', value = '']) => ({
        label,
        operator,
        value,
      })),
    }),
  )
}
