/** The pages at `/status` as HTML. Every text is escaped: Salesforce's words may be anything. */
import type { Principal } from '../callers/policy.ts'
import { definitions, escaped, link, renderHtml } from '../http/pages/html-page.ts'
import type { problemAnswer } from '../http/problems/problem.ts'
import type { Readiness } from '../http/server/health.ts'
import type { Attention } from './attention.ts'
import { chartOf } from './chart.ts'
import { timeText } from './durations.ts'
import { FORM_EXTRA, OVERVIEW_EXTRA, REFRESH_SECONDS } from './look.ts'
import type { Overview, OverviewQuery, ServiceState } from './overview.ts'
import { tableOf } from './table.ts'

/** Form fields and routes. */
export const PATHS = {
  page: '/status',
  signIn: '/status/sign-in',
  signOut: '/status/sign-out',
} as const
export const KEY_FIELD = 'key'

const SIGN_OUT = `<form method="post" action="${PATHS.signOut}"><button id="sign-out">Sign out</button></form>`

/** What a page says of a problem. */
type Told = Pick<
  ReturnType<typeof problemAnswer>['body'],
  'code' | 'status' | 'detail' | 'remedy' | 'request_id'
>

/** A wrong key: its problem speaks of headers, which a person does not send. */
const WRONG_KEY =
  'The key is not valid here. Paste an API key that is neither revoked nor expired, from a network where it counts.'

/** `problem`: why the last attempt failed. */
export function signInPage(problem?: Told): string {
  const why =
    problem?.code === 'caller_unauthenticated'
      ? WRONG_KEY
      : `${problem?.detail}. ${problem?.remedy}`
  const blocks = [
    ...(problem ? [`<p class="red" role="alert">${escaped(why)}</p>`] : []),
    `<form method="post" action="${PATHS.signIn}">`,
    `<label for="key">API key</label>`,
    `<input id="key" name="${KEY_FIELD}" type="password" required autocomplete="off" spellcheck="false"${problem ? ' aria-invalid="true"' : ''}>`,
    '<button>Sign in</button></form>',
    '<p>You see what the key may see. The browser keeps a session of 8 hours, not the key. The session ends with the key.</p>',
    `<p>A link of another site does not carry the session. ${link(PATHS.page, 'Open the page again')} if you are signed in.</p>`,
  ]
  return renderHtml({ title: 'Sign in to Valetkey', blocks, extra: FORM_EXTRA })
}

/** `readiness`: for somebody who is signed in. */
export function problemPage(
  { code, status, detail, remedy, request_id: id }: Told,
  readiness: Readiness | undefined,
): string {
  return renderHtml({
    title: status >= 500 ? 'The page cannot be shown now' : 'The page cannot be shown',
    tone: 'bad',
    blocks: [
      `<p>${escaped(detail)}</p>`,
      `<p>${escaped(remedy)}</p>`,
      definitions([
        ['Code', `<code>${escaped(code)}</code>`],
        ['Request', escaped(id)],
      ]),
      `<p>${link(PATHS.page, 'Try again')}</p>`,
      ...(readiness ? [checksOf(readiness), SIGN_OUT] : []),
    ],
    extra: FORM_EXTRA,
  })
}

export function overviewPage(
  overview: Overview,
  query: OverviewQuery,
  { name }: Pick<Principal, 'name'>,
): string {
  const { at, needs, service } = overview
  const isWell = needs.items.length === 0
  return renderHtml({
    title: 'Status',
    tone: isWell ? 'good' : 'bad',
    blocks: [
      '<div class="bar">',
      `<p>Signed in as ${escaped(name)}</p>${SIGN_OUT}`,
      `<label hidden><input type="checkbox" id="refreshes" checked> Refresh every ${REFRESH_SECONDS} s</label>`,
      '<p id="told" role="status" class="red"></p></div>',
      '<div id="live">',
      `<p>At ${timeText(at)}</p>`,
      '<h2>Needs a person</h2>',
      isWell
        ? '<p class="green">Nothing.</p>'
        : `<ul class="needs">${needs.items.map(needItem).join('\n')}</ul>`,
      ...(needs.isCut ? ['<p>There are more: see the states below.</p>'] : []),
      '<h2>Integrations</h2>',
      tableOf(overview, query),
      ...(service.hours ? ['<h2>Mints and refusals</h2>', chartOf(service.hours)] : []),
      ...replicasOf(service, at),
      checksOf(service.readiness),
      '</div>',
    ],
    extra: OVERVIEW_EXTRA,
  })
}

const needItem = ({ name, what, facts }: Attention): string =>
  `<li><h3>${escaped(name)}: <span class="red">${escaped(what)}</span></h3>${definitions(
    facts.map(([label, text]) => [escaped(label), escaped(text)] as const),
  )}</li>`

function replicasOf({ replicas }: ServiceState, at: number): readonly string[] {
  if (!replicas) return []
  const rows = replicas.map(
    ({ id, seenAt, keys }) =>
      [
        `<code>${escaped(id)}</code>`,
        `seen at ${timeText(seenAt)}, ${Math.max(0, Math.round((at - seenAt) / 1_000))} s ago; seals with the key ${escaped(keys[0] ?? '')}`,
      ] as const,
  )
  return [`<h2>Replicas: ${replicas.length}</h2>`, definitions(rows)]
}

const checksOf = ({ checks }: Readiness): string => {
  const rows = checks.map(({ name, ok, detail }) => {
    const word = ok ? '<span class="green">ok</span>' : '<span class="red">not ok</span>'
    return [escaped(name), `${word}: ${escaped(detail)}`] as const
  })
  return `<h2>This replica and its store</h2>${definitions(rows)}`
}
