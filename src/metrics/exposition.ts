/** The text format of Prometheus, version 0.0.4: how metrics are written down. */

export const EXPOSITION_MEDIA_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export interface Point {
  /** As {@link labelText} gave it. */
  readonly labels: string
  readonly value: number
  /** After the name of the metric. */
  readonly suffix?: '_bucket' | '_sum' | '_count'
  /** The upper bound of a bucket. */
  readonly le?: number
}

/** A metric with its points; nothing where there are none. */
export function familyText(
  name: string,
  { help, type }: { readonly help: string; readonly type: string },
  points: Iterable<Point>,
): string {
  const lines: string[] = []
  for (const { suffix = '', labels, le, value } of points) {
    const all = le === undefined ? labels : withBound(labels, le)
    lines.push(`${name}${suffix}${all && `{${all}}`} ${numberText(value)}\n`)
  }
  if (lines.length === 0) return ''
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

export const labelText = (labels: readonly (readonly [name: string, value: string])[]): string =>
  labels.map(([name, value]) => `${name}="${escapeValue(value)}"`).join(',')

const withBound = (labels: string, le: number) => `${labels}${labels && ','}le="${numberText(le)}"`

const numberText = (value: number): string => {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

const escapeHelp = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const escapeValue = (text: string) => escapeHelp(text).replaceAll('"', '\\"')
