/** The table of integrations as HTML, with its filters and its pages. */
import { SOON_DAYS } from '../doctor/credential-checks.ts'
import { membersOf } from '../grants/org-api/org-api.ts'
import { escaped, link } from '../http/pages/html-page.ts'
import type { Summary } from '../integrations/listing/summary.ts'
import { type IntegrationState, STATES } from '../integrations/status.ts'
import { certificateLimit } from './attention.ts'
import { spanText } from './durations.ts'
import type { Overview, OverviewQuery, TableRow } from './overview.ts'

type Tone = 'red' | 'amber' | 'green'

const TONES: Partial<Record<IntegrationState | 'unusable', Tone>> = {
  draft: 'amber',
  ready: 'green',
  propagating: 'amber',
  refused: 'red',
  identity_changed: 'red',
  not_connected: 'red',
  unusable: 'red',
}

const COLUMNS = [
  'Name',
  'State',
  'Token',
  'Refresh in',
  'Certificate',
  'Logins in the last hour',
  'Callers in 24 h',
  'Last refusal',
]

const NONE = '–'
const DAY_MS = 86_400_000

export function tableOf({ table, needs, summary, at }: Overview, query: OverviewQuery): string {
  const { rows, corrupt, nextCursor } = table
  const { cursor, ...filter } = query
  const body = [
    ...corrupt.map((name) => [name, toned('unusable', 'red')] as const).map(unusableRow),
    ...rows.map((row) => rowOf(row, at)),
  ]
  const pages = [
    ...(cursor === undefined ? [] : [anchor('first', addressOf(filter), 'First page')]),
    ...(nextCursor === null
      ? []
      : [anchor('next', addressOf({ ...filter, cursor: nextCursor }), 'Next page')]),
  ]
  return [
    filtersOf(summary, needs.isFrozen, query),
    ...(summary.isComplete ? [] : ['<p>The counts are of a moment ago: the index is behind.</p>']),
    '<div class="scroll" id="table" role="region" aria-label="Integrations" tabindex="0"><table>',
    '<caption>In order of name</caption>',
    `<thead><tr>${COLUMNS.map((name) => `<th scope="col">${name}</th>`).join('')}</tr></thead>`,
    `<tbody>${body.join('\n')}</tbody></table></div>`,
    ...(body.length === 0 ? ['<p>There is none.</p>'] : []),
    ...(pages.length === 0 ? [] : [`<nav aria-label="Pages"><ul>${pages.join('')}</ul></nav>`]),
  ].join('\n')
}

function filtersOf(
  { states }: Summary,
  isFrozen: boolean,
  { state, label }: OverviewQuery,
): string {
  const total = states.reduce((sum, { count }) => sum + count, 0)
  const to = (value: IntegrationState | 'frozen', text: string) =>
    anchor(
      `state-${value}`,
      addressOf({ state: value, ...(label !== undefined && { label }) }),
      text,
      value === state,
    )
  const counts = new Map(states.map(({ value, count }) => [value, count]))
  const links = [
    ...STATES.filter((value) => counts.get(value) || value === state).map((value) =>
      to(value, `${value} ${counts.get(value) ?? 0}`),
    ),
    // No index counts them, and they are among the others.
    ...(isFrozen || state === 'frozen' ? [to('frozen', 'frozen')] : []),
  ]
  const all = anchor(
    'state-all',
    addressOf(label === undefined ? {} : { label }),
    `all ${total}`,
    state === undefined,
  )
  const within =
    label === undefined
      ? ''
      : `<p>With the label <code>${escaped(label)}</code>. ${link('/status', 'All labels')}</p>`
  return `${within}<nav aria-label="States"><ul>${all}${links.join('')}</ul></nav>`
}

function rowOf({ view, callers }: TableRow, at: number): string {
  const { name, status } = view
  const { state, lease, last_refusal: refusal, frozen, certificate_expires_at: ends } = status
  const { expires_at: expires, refresh_at: refresh } = membersOf(lease)
  const { reason, code } = membersOf(refusal)
  return cells(escaped(name), [
    toned(state, TONES[state]) + (frozen ? `, ${toned('frozen', 'red')}` : ''),
    left(expires, at),
    left(refresh, at),
    certificateCell(ends, at),
    String(status.logins_last_hour),
    String(callers ?? NONE),
    refusal === null ? NONE : escaped(String(reason ?? code ?? 'refused').replaceAll('_', ' ')),
  ])
}

const unusableRow = ([name, state]: readonly [string, string]): string =>
  cells(escaped(name), [state, ...COLUMNS.slice(2).map(() => NONE)])

const cells = (name: string, values: readonly string[]): string =>
  `<tr><th scope="row">${name}</th>${values.map((value) => `<td>${value}</td>`).join('')}</tr>`

const left = (end: unknown, at: number): string =>
  typeof end === 'string' ? spanText(Date.parse(end) - at) : NONE

function certificateCell(ends: string | null, at: number): string {
  if (ends === null) return NONE
  const end = Date.parse(ends)
  const text = end < at ? 'expired' : spanText(end - at)
  if (end < certificateLimit(at)) return toned(text, 'red')
  return toned(text, end < at + SOON_DAYS * DAY_MS ? 'amber' : undefined)
}

const toned = (text: string, tone: Tone | undefined): string =>
  tone === undefined ? text : `<span class="${tone}">${text}</span>`

const anchor = (id: string, to: string, text: string, isCurrent = false): string =>
  `<li><a id="${id}" href="${escaped(to)}"${isCurrent ? ' aria-current="page"' : ''}>${escaped(text)}</a></li>`

function addressOf({ state, label, cursor }: OverviewQuery): string {
  const query = new URLSearchParams({
    ...(state !== undefined && { state }),
    ...(label !== undefined && { label }),
    ...(cursor !== undefined && { cursor }),
  }).toString()
  return query === '' ? '/status' : `/status?${query}`
}
