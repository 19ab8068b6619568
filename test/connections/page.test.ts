import fc from 'fast-check'
import t from 'tap'
import type { Connection } from '../../src/connections/connection.ts'
import { connectionPageOf, PAGE_HEADERS, unavailablePage } from '../../src/connections/page.ts'
import { classify } from '../../src/grants/refusals/refusals.ts'

const CONNECTION: Connection = {
  id: 'an-id',
  name: 'billing',
  uid: 'u',
  flow: 'authorization_code',
  target: '',
  replaces: null,
  by: { id: 'admin', kind: 'admin', name: 'admin', provenAt: 0 },
  requestId: 'r',
  scopes: ['api', 'refresh_token'],
  beganAt: 0,
  expiresAt: 1,
  state: 'connected',
  claimedAt: 0,
  endedAt: 0,
  stateDigest: null,
  sealed: null,
  reason: null,
  refusal: null,
  identity: {
    orgId: '00D000000000001',
    userId: '005000000000001',
    instanceUrl: 'https://acme.my.salesforce.com',
  },
}

const page = (changes: Partial<Connection>) =>
  connectionPageOf({ type: 'ended', connection: { ...CONNECTION, ...changes } })

t.test('says which integration is connected now, and to whom', async (t) => {
  const { status, html } = page({})
  t.equal(status, 200)
  for (const text of ['billing is connected', 'acme.my.salesforce.com', '005000000000001']) {
    t.match(html, text)
  }
})

t.test('says why it is not, and what to do', async (t) => {
  const refusal = classify({
    error: 'redirect_uri_mismatch',
    errorDescription: 'redirect_uri must match configuration',
  })
  const refused = page({ state: 'failed', reason: 'grant_refused', refusal })
  t.equal(refused.status, 400)
  t.match(refused.html, refusal.cause)
  t.match(refused.html, 'redirect_uri must match configuration')
  t.match(page({ state: 'failed', reason: 'permission_lost' }).html, 'permission_lost')
  t.match(page({ state: 'failed', reason: 'identity_changed' }).html, /another Salesforce user/)
  t.equal(connectionPageOf({ type: 'invalid' }).status, 400)
  t.match(connectionPageOf({ type: 'over', connection: CONNECTION }).html, /was used before/)
  t.equal(unavailablePage('r').status, 503)
})

t.test('shows whatever Salesforce, or anybody, writes as text and never as markup', async (t) => {
  const hostile = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', '/', 'x', 'script', '=', ' ') }),
  )
  const markupOf = (html: string) => html.match(/<[^>]*>/g)
  fc.assert(
    fc.property(hostile, hostile, (error, errorDescription) => {
      const shown = (texts: { error: string; errorDescription: string }) =>
        page({ state: 'failed', refusal: classify(texts) }).html
      const usual = markupOf(shown({ error: 'x', errorDescription: 'x' }))
      t.same(markupOf(shown({ error: error || 'x', errorDescription })), usual)
    }),
  )
})

t.test('forbids scripts, frames, referrers and caches', async (t) => {
  t.match(PAGE_HEADERS, {
    'content-security-policy': /default-src 'none'.*frame-ancestors 'none'/,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  })
  t.notMatch(PAGE_HEADERS['content-security-policy'], /unsafe|script-src/)
})
