import t from 'tap'
import {
  identityChanged,
  isExpected,
  isSameId,
  judgeIdentity,
  type PinnedIdentity,
  pinAfter,
} from '../../src/identity/identity.ts'
import type { IdentityRule } from '../../src/integrations/integration.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'

const HOST = 'https://acme.my.salesforce.com'
const ORG = '00D000000000001AAA'
const USER = '005000000000001AAA'
const OTHER_ORG = '00D000000000002AAA'
const OTHER_USER = '005000000000002AAA'

const lease = (changes: Partial<Lease> = {}): Lease =>
  ({ orgId: ORG, userId: USER, instanceUrl: HOST, scope: 'api id', ...changes }) as Lease

const anonymous = () => {
  const { orgId: _o, userId: _u, ...rest } = lease()
  return rest as Lease
}

const pin = (changes: Partial<PinnedIdentity> = {}): PinnedIdentity => ({
  uid: 'u',
  identity: { orgId: ORG, userId: USER, instanceUrl: HOST },
  scope: 'api id',
  seen: null,
  ...changes,
})

const changedBy = (rule: IdentityRule, token: Lease, known: PinnedIdentity | undefined = pin()) =>
  judgeIdentity(rule, known, token).changed

t.test('ids are the same by their first 15 characters, and those are exact', async (t) => {
  t.ok(isSameId(ORG, ORG.slice(0, 15)))
  t.ok(isSameId('00D000000000001', '00D000000000001AAA'))
  t.notOk(isSameId('00Dabcdefghijkl', '00DABCDEFGHIJKL'))
  t.notOk(isSameId(ORG, null))
  t.ok(isSameId(null, null))
})

t.test('the first token is trusted, whatever it is', async (t) => {
  for (const rule of [{ pin: 'org_and_user' }, { pin: 'user' }, { pin: 'off' }] as const) {
    t.match(judgeIdentity(rule, undefined, lease()), {
      changed: [],
      identity: { orgId: ORG, userId: USER },
    })
  }
})

t.test('each pin holds what it names', async (t) => {
  const otherOrg = lease({ orgId: OTHER_ORG })
  const otherUser = lease({ userId: OTHER_USER })
  const rows = [
    ['org_and_user', ['org_id'], ['user_id'], ['org_id', 'user_id']],
    ['user', [], ['user_id'], ['org_id', 'user_id']],
    ['off', [], [], []],
  ] as const
  for (const [name, byOrg, byUser, byNone] of rows) {
    t.strictSame(changedBy({ pin: name }, otherOrg), byOrg, name)
    t.strictSame(changedBy({ pin: name }, otherUser), byUser, name)
    const silent = name === 'user' ? ['user_id'] : byNone
    t.strictSame(changedBy({ pin: name }, anonymous()), silent, name)
  }
})

t.test('what is not pinned follows the token', async (t) => {
  const { identity } = judgeIdentity({ pin: 'user' }, pin(), lease({ orgId: OTHER_ORG }))
  t.match(identity, { orgId: OTHER_ORG, userId: USER })
})

t.test('a later token never moves a pin', async (t) => {
  const token = lease({ userId: OTHER_USER, instanceUrl: 'https://other.my.salesforce.com' })
  const judgement = judgeIdentity({ pin: 'org_and_user' }, pin(), token)
  t.strictSame(judgement.identity, pin().identity)
  const next = pinAfter(judgement, pin(), token, { uid: 'u', version: 7 }, 1_000)
  t.match(next, { identity: pin().identity, seen: { userId: OTHER_USER, version: 7, at: 1_000 } })
  const again = pinAfter(judgement, next, token, { uid: 'u', version: 7 }, 2_000)
  t.equal(again.seen, next.seen, 'what comes again is no news')
  t.match(pinAfter(judgement, next, token, { uid: 'u', version: 8 }, 2_000), {
    seen: { at: 2_000 },
  })
})

t.test('expect ends the trust on first use, for what it names', async (t) => {
  const rule: IdentityRule = { pin: 'org_and_user', expect: { orgId: OTHER_ORG.slice(0, 15) } }
  const first = judgeIdentity(rule, undefined, lease())
  t.match(first, { changed: ['org_id'], identity: { orgId: null, userId: null } })
  t.strictSame(changedBy(rule, lease({ orgId: OTHER_ORG })), [], 'it goes before the pin')
  t.strictSame(changedBy(rule, lease({ orgId: OTHER_ORG, userId: OTHER_USER })), ['user_id'])
  const both: IdentityRule = { pin: 'off', expect: { userId: USER } }
  t.strictSame(changedBy(both, lease({ userId: OTHER_USER }), undefined), ['user_id'])
  t.strictSame(changedBy(both, lease()), [])
})

t.test('only what expect allows can be accepted', async (t) => {
  const rule: IdentityRule = { pin: 'user', expect: { orgId: ORG, userId: USER } }
  t.ok(isExpected(rule, { orgId: ORG, userId: USER.slice(0, 15) }))
  t.notOk(isExpected(rule, { orgId: OTHER_ORG, userId: USER }))
  t.notOk(isExpected(rule, { orgId: ORG, userId: OTHER_USER }))
  t.ok(isExpected({ pin: 'user' }, { orgId: OTHER_ORG, userId: OTHER_USER }))
})

t.test('another host alone is a move, and is served', async (t) => {
  const moved = lease({ instanceUrl: 'https://moved.my.salesforce.com' })
  t.match(judgeIdentity({ pin: 'org_and_user' }, pin(), moved), {
    changed: [],
    hasMoved: true,
    identity: { instanceUrl: 'https://moved.my.salesforce.com' },
  })
  t.equal(judgeIdentity({ pin: 'org_and_user' }, undefined, moved).hasMoved, false)
  const both = { ...moved, userId: OTHER_USER }
  t.match(judgeIdentity({ pin: 'user' }, pin(), both), { changed: ['user_id'], hasMoved: false })
})

t.test('scopes are told when they change, or lack expected ones from the first', async (t) => {
  const rule: IdentityRule = { pin: 'off', expect: { scopes: ['api', 'id'] } }
  const told = (scope: string | undefined, known: PinnedIdentity | undefined, by = rule) => {
    const token =
      scope === undefined ? (({ scope: _, ...rest }) => rest)(lease()) : lease({ scope })
    return judgeIdentity(by, known, token as Lease).hasOtherScopes
  }
  t.equal(told('id api', undefined), false)
  t.equal(told('api', undefined), true)
  t.equal(told('api', undefined, { pin: 'off' }), false)
  t.equal(told('id api', pin()), false)
  t.equal(told('api', pin()), true)
  t.equal(told('api', pin({ scope: 'api' })), false, 'once')
  t.equal(told('api id web', pin(), { pin: 'off' }), true)
  t.equal(told(undefined, pin()), false)
})

t.test('the problem says which, and holds ids alone', async (t) => {
  const seen = { orgId: OTHER_ORG, userId: USER, instanceUrl: HOST }
  t.match(identityChanged(['org_id'], { pin: 'org_and_user' }, pin().identity, seen), {
    code: 'identity_changed',
    status: 424,
    detail: /another org;/,
    members: {
      identity: {
        expected: { org_id: ORG, user_id: USER },
        seen: { org_id: OTHER_ORG, user_id: USER },
      },
    },
  })
})
