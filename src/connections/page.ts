/** The page that a person sees when the browser comes back from Salesforce: plain text, no script, nothing from elsewhere. */
import { createHash } from 'node:crypto'
import type { ConnectedIdentity, Connection } from './connection.ts'
import { REASONS } from './connection.ts'
import type { CallbackResult } from './web-server-flow.ts'

/** 503: the link stays good. */
export type PageStatus = 200 | 400 | 503

export interface Page {
  readonly status: PageStatus
  readonly html: string
}

interface Content {
  readonly status: PageStatus
  readonly isGood: boolean
  readonly title: string
  readonly paragraphs: readonly string[]
  /** Names and values, for whoever helps. */
  readonly facts?: readonly (readonly [string, string])[]
}

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{margin:0;padding:12vh 1.5rem}main{max-width:34rem;margin:auto}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem;padding-left:.75rem;border-left:.25rem solid}
.good h1{border-color:#2e844a}.bad h1{border-color:#ba0517}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1.5rem 0}
dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}footer{margin-top:2rem;opacity:.6}`

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** For the page's answer: neither scripts nor frames nor anything from elsewhere; and the URL, which holds the code, stays here. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex',
  'cross-origin-opener-policy': 'same-origin',
}

const BEGIN_AGAIN = 'Ask whoever sent you here for a new link.'

export function pageOf(result: CallbackResult): Page {
  if (result.type === 'invalid') return INVALID
  const { connection } = result
  if (result.type === 'over') return rendered(overContent(connection))
  if (connection.state === 'connected') return rendered(connectedContent(connection))
  return rendered(failureContent(connection))
}

/** The service cannot finish it now; the link works again once it can. */
export const unavailablePage = (requestId: string): Page =>
  rendered({
    status: 503,
    isGood: false,
    title: 'Not now',
    paragraphs: [
      'The service cannot finish the connection at this moment. Reload this page in a minute; if it does not help, ask for a new link.',
    ],
    facts: [['Request', requestId]],
  })

const INVALID = rendered({
  status: 400,
  isGood: false,
  title: 'This link is not valid',
  paragraphs: ['It is not complete, it was changed, or it is too old.', BEGIN_AGAIN],
})

/** For whoever comes without a link. */
export const BARE_PAGE = rendered({
  status: 200,
  isGood: true,
  title: 'Nothing to finish here',
  paragraphs: [
    'Salesforce sends browsers to this address when a person has decided whether an integration may act for them.',
    'To connect an integration, use the link that you were given.',
  ],
})

function connectedContent({ name, identity, scopes }: Connection): Content {
  return {
    status: 200,
    isGood: true,
    title: `${name} is connected`,
    paragraphs: [
      `The integration ${name} may now act for you in Salesforce. You can close this window.`,
    ],
    facts: [
      ...identityFacts(identity),
      ...(scopes ? [['Asked for', scopes.join(' ')] as const] : []),
    ],
  }
}

function overContent({ name, id, state }: Connection): Content {
  const paragraphs =
    state === 'connected'
      ? [`The integration ${name} was connected with it; there is nothing more to do.`]
      : [
          state === 'claimed'
            ? 'It is being used at this moment.'
            : `The integration ${name} was not connected with it.`,
          BEGIN_AGAIN,
        ]
  return {
    status: 400,
    isGood: false,
    title: 'This link was used before, or is too old',
    paragraphs,
    facts: [['Connection', id]],
  }
}

function failureContent({ name, id, state, reason, refusal }: Connection): Content {
  const title = state === 'denied' ? `${name} was denied access` : `${name} is not connected`
  const facts: (readonly [string, string])[] = [['Connection', id]]
  if (refusal) {
    facts.push([
      'Salesforce said',
      [refusal.error, refusal.errorDescription].filter(Boolean).join(': '),
    ])
  } else if (reason) facts.push(['Reason', reason])
  const paragraphs = refusal ? [refusal.cause, refusal.remedy] : [explained(reason), BEGIN_AGAIN]
  return { status: 400, isGood: false, title, paragraphs, facts }
}

function explained(reason: string | null): string {
  if (reason === 'identity_changed') {
    return 'The integration belongs to another Salesforce user or org than the one that you were logged in as.'
  }
  const known = Object.entries(REASONS).find(([name]) => name === reason)
  return known ? `${known[1]}.` : 'Salesforce allowed it, but the tokens could not be fetched.'
}

function identityFacts(identity: ConnectedIdentity | null): (readonly [string, string])[] {
  if (!identity) return []
  const { orgId, userId, instanceUrl } = identity
  return [
    ['Org', new URL(instanceUrl).host],
    ...(orgId === null ? [] : [['Org id', orgId] as const]),
    ...(userId === null ? [] : [['User id', userId] as const]),
  ]
}

function rendered({ status, isGood, title, paragraphs, facts = [] }: Content): Page {
  const rows = facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`)
  return {
    status,
    html: [
      '<!doctype html>',
      '<html lang="en"><head><meta charset="utf-8">',
      '<meta name="viewport" content="width=device-width, initial-scale=1">',
      `<title>${escaped(title)}</title><style>${STYLE}</style></head>`,
      `<body class="${isGood ? 'good' : 'bad'}"><main><h1>${escaped(title)}</h1>`,
      ...paragraphs.map((text) => `<p>${escaped(text)}</p>`),
      ...(rows.length > 0 ? [`<dl>${rows.join('')}</dl>`] : []),
      '<footer>Valetkey</footer></main></body></html>',
    ].join('\n'),
  }
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => ESCAPES[letter] ?? '')
}
