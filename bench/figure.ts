/** A figure: what was measured, how it spread over the rounds, and what it should be. */
import type { Spread } from './ratio.ts'

export type Target = { readonly atLeast: number } | { readonly atMost: number }

export interface Figure {
  /** Stable: documents name it. */
  readonly id: string
  /** With its unit. */
  readonly what: string
  readonly spread: Spread
  readonly digits: number
  readonly target?: Target
}

/** One value that has no spread. */
export const exactly = (value: number): Spread => ({ min: value, median: value, max: value })

/** By the median. Undefined: it has no target. */
export function holds({ target, spread }: Figure): boolean | undefined {
  if (target === undefined) return undefined
  return 'atLeast' in target ? spread.median >= target.atLeast : spread.median <= target.atMost
}

export function shown(value: number, digits: number): string {
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  })
}

export function shownTarget(target: Target | undefined): string {
  if (target === undefined) return ''
  return 'atLeast' in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`
}

/** Lines of a Markdown table. */
export function tableOf(figures: readonly Figure[]): readonly string[] {
  return [
    '| | min | median | max | target | holds |',
    '|---|---|---|---|---|---|',
    ...figures.map((figure) => {
      const { what, spread, digits, target } = figure
      const values = [spread.min, spread.median, spread.max].map((value) => shown(value, digits))
      const verdict = { true: 'yes', false: '**no**', undefined: '' }[String(holds(figure))]
      return `| ${[what, ...values, shownTarget(target), verdict].join(' | ')} |`
    }),
  ]
}
