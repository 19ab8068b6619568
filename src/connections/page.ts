/** The page that the browser shows after it returns from Salesforce: plain text, without scripts and external content. */
import {
  definitions,
  escaped,
  HTML_MEDIA_TYPE,
  HTML_POLICY,
  renderHtml,
} from '../http/pages/html-page.ts'
import type { Identity } from '../identity/identity.ts'
import type { Connection } from './connection.ts'
import { REASONS } from './connection.ts'
import type { CallbackResult } from './web-server-flow.ts'

/** 503: the link can be used again. */
type PageStatus = 200 | 400 | 503

export interface ConnectionPage {
  readonly status: PageStatus
  readonly html: string
}

interface Content {
  readonly status: PageStatus
  readonly isGood: boolean
  readonly title: string
  readonly paragraphs: readonly string[]
  /** Names and values for support. */
  readonly facts?: readonly (readonly [string, string])[]
}

/** Headers of the page: no scripts, frames or external content, and no `Referer`, because the URL contains the code. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': HTML_MEDIA_TYPE,
  'content-security-policy': HTML_POLICY,
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex',
  'cross-origin-opener-policy': 'same-origin',
}

const BEGIN_AGAIN = 'Ask whoever sent you here for a new link.'

export function connectionPageOf(result: CallbackResult): ConnectionPage {
  if (result.type === 'invalid') return INVALID
  const { connection } = result
  if (result.type === 'over') return rendered(overContent(connection))
  if (connection.state === 'connected') return rendered(connectedContent(connection))
  return rendered(failureContent(connection))
}

/** The connection cannot be completed now. The link can be used again later. */
export const unavailablePage = (requestId: string): ConnectionPage =>
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

/** For a request without parameters. */
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

function identityFacts(identity: Identity | null): (readonly [string, string])[] {
  if (!identity) return []
  const { orgId, userId, instanceUrl } = identity
  return [
    ['Org', new URL(instanceUrl).host],
    ...(orgId === null ? [] : [['Org id', orgId] as const]),
    ...(userId === null ? [] : [['User id', userId] as const]),
  ]
}

function rendered({ status, isGood, title, paragraphs, facts = [] }: Content): ConnectionPage {
  const rows = facts.map(([name, value]) => [escaped(name), escaped(value)] as const)
  const blocks = [
    ...paragraphs.map((text) => `<p>${escaped(text)}</p>`),
    ...(rows.length > 0 ? [definitions(rows)] : []),
  ]
  return { status, html: renderHtml({ title, tone: isGood ? 'good' : 'bad', blocks }) }
}
