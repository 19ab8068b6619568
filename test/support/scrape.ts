/** Scrapes `/metrics` as Prometheus does, and looks values up. */
import { parseExposition, type Series } from './exposition.ts'

export interface Scrape {
  readonly text: string
  readonly series: readonly Series[]
  /** The sum over all series that have these labels; undefined where there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined
}

export async function scrape(port: number): Promise<Scrape> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`)
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`)
  const series = parseExposition(text).flatMap((family) => family.series)
  return {
    text,
    series,
    value(name, labels = {}) {
      const found = series.filter(
        (one) =>
          one.name === name &&
          Object.entries(labels).every(([label, value]) => one.labels[label] === value),
      )
      return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
    },
  }
}
