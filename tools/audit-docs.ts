/** Generates the tables of `docs/audit.md`. */
import { ACTIONS } from '../src/audit/actions.ts'
import { SHARES } from '../src/audit/shares.ts'

const table = (head: readonly string[], rows: readonly (readonly unknown[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

export const renderActionTable = (): string =>
  table(
    ['action', 'meaning', 'share of `GET /audit`'],
    Object.entries(ACTIONS).map(([action, { meaning, share }]) => [
      `\`${action}\``,
      meaning,
      action === 'request.denied' ? '`denials`, `strangers`' : share ? `\`${share}\`` : 'none',
    ]),
  )

export const renderShareTable = (): string =>
  table(
    ['share', 'of what', 'kept', 'one by one in an hour'],
    Object.entries(SHARES).map(([share, { meaning, keep, listed }]) => [
      `\`${share}\``,
      meaning,
      keep.toLocaleString('en-US'),
      listed === 0 ? 'none' : `the first ${listed} of a kind`,
    ]),
  )
