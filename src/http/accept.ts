/** Whether a client asks for JSON or for Markdown (RFC 9110, section 12.5.1). */
import { BrokerError } from '../errors.ts'

const JSON_RANGES = new Set([
  '*/*',
  'application/*',
  'application/json',
  'application/problem+json',
])
const MARKDOWN_RANGES = new Set(['text/*', 'text/markdown', 'text/plain', 'text/html'])

/** JSON wins a tie. Throws `not_acceptable` where neither will do. */
export function prefersMarkdown(accept: string | undefined): boolean {
  if (accept === undefined || accept.trim() === '') return false
  const ranges = accept.split(',').map((part) => {
    const [range = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
    const quality = parameters.find((text) => text.startsWith('q='))?.slice(2)
    return { range, quality: quality === undefined ? 1 : Number(quality) || 0 }
  })
  const best = (known: ReadonlySet<string>) =>
    Math.max(0, ...ranges.filter(({ range }) => known.has(range)).map(({ quality }) => quality))
  const json = best(JSON_RANGES)
  const markdown = best(MARKDOWN_RANGES)
  if (json === 0 && markdown === 0) {
    throw new BrokerError('not_acceptable', 'There are application/json and text/markdown')
  }
  return markdown > json
}
