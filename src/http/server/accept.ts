/** Selects a media type by `Accept` (RFC 9110, section 12.5.1). */
import { BrokerError } from '../../errors/errors.ts'

/** Types that are an acceptable substitute for another type. */
const SHOWN_AS: Readonly<Record<string, readonly string[]>> = {
  'application/json': ['application/problem+json'],
  'text/markdown': ['text/plain', 'text/html'],
}

/** Only so many ranges of a header are read, because each costs time. */
const RANGES = 32

interface Range {
  readonly range: string
  readonly quality: number
}

/** Index of the preferred type; the first one wins a tie. -1: none is acceptable. */
export function chooseMediaType(accept: string | undefined, types: readonly string[]): number {
  if (accept === undefined || accept.trim() === '') return types.length > 0 ? 0 : -1
  const ranges = accept.split(',', RANGES).map(rangeOf)
  let best = -1
  let bestQuality = 0
  for (const [place, type] of types.entries()) {
    const quality = qualityOf(type, ranges, types)
    if (quality <= bestQuality) continue
    best = place
    bestQuality = quality
  }
  return best
}

function rangeOf(text: string): Range {
  const [range = '', ...parameters] = text
    .split(';', RANGES)
    .map((part) => part.trim().toLowerCase())
  const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
  return { range, quality: quality === undefined ? 1 : Number(quality) || 0 }
}

function qualityOf(type: string, ranges: readonly Range[], types: readonly string[]): number {
  const standIns = (SHOWN_AS[type] ?? []).filter((other) => !types.includes(other))
  const fitting = ['*/*', `${type.split('/')[0]}/*`, type, ...standIns]
  return ranges.reduce(
    (best, { range, quality }) => (fitting.includes(range) ? Math.max(best, quality) : best),
    0,
  )
}

/** Whether the client accepts gzip (RFC 9110, section 12.5.3). Undefined: the header is absent, so any coding is acceptable. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean | undefined {
  if (acceptEncoding === undefined) return undefined
  const ranges = acceptEncoding.split(',', RANGES).map(rangeOf)
  const named = ranges.find(({ range }) => range === 'gzip' || range === 'x-gzip')
  return (named ?? ranges.find(({ range }) => range === '*') ?? { quality: 0 }).quality > 0
}

const JSON_OR_MARKDOWN = ['application/json', 'text/markdown']

/** JSON wins a tie. Throws `not_acceptable` if neither is acceptable. */
export function prefersMarkdown(accept: string | undefined): boolean {
  const place = chooseMediaType(accept, JSON_OR_MARKDOWN)
  if (place === -1) {
    throw new BrokerError('not_acceptable', `There are ${JSON_OR_MARKDOWN.join(' and ')}`)
  }
  return place === 1
}
