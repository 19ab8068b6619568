/** The text format of Prometheus, version 0.0.4. */

export const EXPOSITION_MEDIA_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export interface Point {
  /** From {@link labelText}. */
  readonly labels: string
  readonly value: number
  readonly suffix?: '_bucket' | '_sum' | '_count'
  readonly le?: number
}

/** Empty if there are no points. */
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
