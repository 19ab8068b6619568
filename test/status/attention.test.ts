/** What needs a person, and what that person does about it. */
import t from 'tap'
import { checkCertificate } from '../../src/doctor/credential-checks.ts'
import {
  certificateAttention,
  certificateLimit,
  freezeAttention,
  stateAttention,
  unusableAttention,
  type View,
} from '../../src/status/attention.ts'
import { spanText } from '../../src/status/durations.ts'

const DAY_MS = 86_400_000
const viewOf = (status: object) => ({ name: 'billing', status }) as unknown as View
const factsOf = ({ facts }: ReturnType<typeof stateAttention>) => Object.fromEntries(facts)

t.test('it says what to do for each need, by name', async (t) => {
  const lost = stateAttention(
    viewOf({ state: 'not_connected', connection: { reason: 'refused' }, last_refusal: null }),
  )
  t.match(lost, { name: 'billing', what: 'not_connected' })
  t.match(factsOf(lost), {
    Reason: 'refused',
    Remedy: /`POST \/integrations\/billing\/connections`/,
  })
  const seen = { org_id: null, user_id: '005', instance_url: 'https://other.my.salesforce.com' }
  const other = stateAttention(viewOf({ state: 'identity_changed', identity: { seen } }))
  t.equal(
    factsOf(other)['Salesforce gave a token of'],
    'user 005, at https://other.my.salesforce.com',
  )
  const silent = { code: 'salesforce_timeout', detail: 'No answer', at: '2026-01-31T09:05:59Z' }
  const refused = stateAttention(viewOf({ state: 'refused', last_refusal: silent }))
  t.match(factsOf(refused), { Cause: 'No answer', 'Last tried': '2026-01-31 09:05 UTC' })
  t.notMatch(factsOf(refused), { 'Salesforce said': /./ })
  t.match(factsOf(unusableAttention('billing')), { Remedy: /VALETKEY_KEYRING/ })
})

t.test('a certificate needs a person where the doctor fails it', async (t) => {
  const now = Date.parse('2026-01-31T00:00:00Z')
  for (const days of [-1, 0, 14, 14.9, 15, 30]) {
    const notAfter = now + days * DAY_MS
    // It reads no other member.
    const { outcome } = checkCertificate({ certificate: { notAfter } } as never, now) ?? {}
    t.equal(notAfter < certificateLimit(now), outcome === 'failed', `${days} days`)
  }
  const ends = (at: number) =>
    certificateAttention(viewOf({ certificate_expires_at: new Date(at).toISOString() }), now).what
  t.equal(ends(now + 3.5 * DAY_MS), 'its certificate ends in 3 days')
  t.equal(ends(now - 1), 'its certificate has expired')
  t.same([-5, 59_999, 120_000, 7_200_000, 2 * DAY_MS].map(spanText), [
    '0 s',
    '59 s',
    '2 min',
    '2 h',
    '2 days',
  ])
})

t.test('a freeze says since when, why, what it selects and how to lift it', async (t) => {
  const seen = { id: 'frz_1', since: Date.parse('2026-01-31T09:05:59Z'), reason: 'stolen' }
  t.same(Object.keys(factsOf(freezeAttention(seen))), ['Since', 'Reason', 'Lift it'])
  const none = { integrations: [], labels: {}, clientIds: [], orgIds: [], all: false }
  const selects = (selector: object) =>
    factsOf(freezeAttention({ ...seen, by: 'admin', selector: { ...none, ...selector } }))
  t.match(selects({ all: true }), {
    ...{ Since: '2026-01-31 09:05 UTC', Reason: 'stolen', 'Ordered by': 'admin' },
    ...{ Selects: 'all integrations', 'Lift it': /`valetkey thaw frz_1`/ },
  })
  const integrations = Array.from({ length: 12 }, (_, at) => `a${at}`)
  t.equal(
    selects({ integrations, labels: { team: 'pay' }, orgIds: ['00D'] }).Selects,
    'integrations a0, a1, a2, a3, a4, a5, a6, a7, a8, a9 and 2 more; labels team:pay; orgs 00D',
  )
})
