/** The report of an exposure as CSV (RFC 4180): a line for each principal and each token of an integration, and a last one that says what is missing. */
import type { ExposureReport } from './exposure.ts'

const COLUMNS = [
  ...['kind', 'integration', 'principal', 'count', 'first_at', 'last_at'],
  ...['token_id', 'minted_at', 'org_id', 'user_id', 'state', 'networks'],
] as const

type Line = Partial<Record<(typeof COLUMNS)[number], string | number | null>>

/** `next`: the cursor of the next part. Null: this is the last one. */
export function exposureCsv(
  { reads, tokens, isComplete }: Omit<ExposureReport, 'next'>,
  next: string | null,
): string {
  const lines: readonly Line[] = [
    ...reads.map(({ integration, principal, count, firstAt, lastAt, networks = [] }) => ({
      ...{ kind: 'read', integration, principal, count },
      ...{ first_at: new Date(firstAt).toISOString(), last_at: new Date(lastAt).toISOString() },
      networks: networks.map(({ network }) => network).join(' '),
    })),
    ...tokens.map(({ integration, tokenId, mintedAt, orgId, userId, state }) => ({
      ...{ kind: 'token', integration, token_id: tokenId, minted_at: mintedAt },
      ...{ org_id: orgId, user_id: userId, state },
    })),
    ...(isComplete ? [] : [{ kind: 'incomplete' }]),
    ...(next === null ? [] : [{ kind: 'more', state: next }]),
  ]
  const rows = lines.map((line) => COLUMNS.map((column) => field(line[column] ?? '')).join(','))
  return `${[COLUMNS.join(','), ...rows].join('\r\n')}\r\n`
}

/** A spreadsheet must not take the name of a caller for a formula. */
const field = (value: string | number): string => {
  const text = /^[=+\-@\t\r]/.test(String(value)) ? `'${value}` : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
