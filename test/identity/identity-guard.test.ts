import t from 'tap'
import type { AuditEntry } from '../../src/audit/event.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { PinnedIdentity } from '../../src/identity/identity.ts'
import { createIdentityAcceptance, type OrgMove } from '../../src/identity/identity-acceptance.ts'
import { createIdentityGuard, type UnsavedPin } from '../../src/identity/identity-guard.ts'
import type { PinStore } from '../../src/identity/pin-store.ts'
import type { Integration } from '../../src/integrations/integration.ts'
import { byItself } from '../../src/integrations/references/visible.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'

const HOST = 'https://acme.my.salesforce.com'
const [ORG, OTHER_ORG] = ['00D000000000001AAA', '00D000000000002AAA']
const [USER, OTHER_USER] = ['005000000000001AAA', '005000000000002AAA']

const integration = (changes: Partial<Integration> = {}) =>
  ({
    name: 'billing',
    uid: 'u',
    version: 1,
    identity: { pin: 'org_and_user' },
    ...changes,
  }) as Integration

const lease = (changes: Partial<Lease> = {}) =>
  ({ orgId: ORG, userId: USER, instanceUrl: HOST, scope: 'api', ...changes }) as Lease

/** Of one integration. */
function fakePins() {
  let stored: { version: number; pin: PinnedIdentity } | undefined
  let isDown = false
  let beforeWrite: (() => void) | undefined
  const unlessDown = () => {
    if (isDown) throw new BrokerError('store_unavailable', 'down')
  }
  const pins: PinStore = {
    async read({ uid }) {
      unlessDown()
      return {
        version: stored?.version ?? null,
        pin: stored?.pin.uid === uid ? stored.pin : undefined,
      }
    },
    async write(_name, pin, { version }) {
      unlessDown()
      const race = beforeWrite
      beforeWrite = undefined
      race?.()
      if ((stored?.version ?? null) !== version) return false
      stored = { version: (version ?? 0) + 1, pin }
      return true
    },
    within: (id, pin, { version }) => ({
      ...{ kind: 'identity', id, body: JSON.stringify(pin), expected: version ?? 'absent' },
    }),
  }
  return {
    pins,
    pin: () => stored?.pin,
    writes: () => stored?.version ?? 0,
    goDown: (down = true) => {
      isDown = down
    },
    raceWith: (pin: PinnedIdentity) => {
      beforeWrite = () => {
        stored = { version: (stored?.version ?? 0) + 1, pin }
      }
    },
  }
}

function setUp() {
  const store = fakePins()
  const happened: AuditEntry[] = []
  const warnings: string[] = []
  const forgotten: string[] = []
  const newGuard = () =>
    createIdentityGuard({
      pins: store.pins,
      audit: { background: (_by, entry) => happened.push(entry) },
      now: () => 1_000,
      log: { warn: (_bindings, message) => warnings.push(message) },
    })
  const guard = newGuard()
  const check = async (token: Lease, by = integration(), at = guard) =>
    at.check(by, token, await at.known(by))
  const acceptanceFor = (by: Integration) =>
    createIdentityAcceptance({
      integrations: { read: async () => by },
      pins: store.pins,
      outcomes: { forgetRefusal: async (name) => void forgotten.push(name) },
    })
  const acceptance = {
    accept: (by: Integration) => acceptanceFor(by).accept(by.name, byItself),
    acceptMove: (by: Integration, move: OrgMove) =>
      acceptanceFor(by).acceptMove(by.name, byItself, move),
  }
  const actions = () => happened.map(({ action }) => action)
  return { store, guard, newGuard, check, acceptance, actions, warnings, forgotten }
}

t.test('the usual mint writes nothing and says nothing', async (t) => {
  const { store, check, actions, warnings } = setUp()
  await check(lease())
  for (let at = 0; at < 3; at += 1) await check(lease())
  t.equal(store.writes(), 1)
  t.same([...actions(), ...warnings], [])
})

t.test('the save of the lease writes the pin of an accepted token, but of no other', async (t) => {
  const { store, guard, actions } = setUp()
  const unsaved: UnsavedPin[] = []
  const check = async (token: Lease) => {
    const known = await guard.known(integration())
    return guard.check(integration(), token, known, (pin) => unsaved.push(pin))
  }
  await check(lease())
  t.equal(store.writes(), 0)
  const [pin] = unsaved
  t.match(pin?.document, { kind: 'identity', id: 'billing', expected: 'absent' })
  store.goDown()
  t.match(await guard.known(integration()), { pin: undefined })
  pin?.written()
  t.match(await guard.known(integration()), { pin: { identity: { userId: USER } } })
  store.goDown(false)
  await guard.check(integration(), lease(), await guard.known(integration()))
  await check(lease())
  t.equal(unsaved.length, 1, 'an unchanged pin is not saved')
  await t.rejects(check(lease({ userId: OTHER_USER })), { code: 'identity_changed' })
  t.equal(unsaved.length, 1)
  t.match(store.pin()?.seen, { userId: OTHER_USER })
  t.same(actions(), ['identity.changed'])
})

t.test('another user is refused each time, and told once', async (t) => {
  const { store, check, actions } = setUp()
  await check(lease())
  const other = lease({ userId: OTHER_USER })
  for (let at = 0; at < 3; at += 1) await t.rejects(check(other), { code: 'identity_changed' })
  t.same(actions(), ['identity.changed'])
  t.match(store.pin(), { identity: { userId: USER }, seen: { userId: OTHER_USER } })
  await check(lease())
  t.match(store.pin(), { identity: { userId: USER }, seen: null })
})

t.test('of two replicas that pin at once, the slower one obeys', async (t) => {
  const { store, check } = setUp()
  const identity = { orgId: ORG, userId: OTHER_USER, instanceUrl: HOST }
  store.raceWith({ uid: 'u', identity, scope: null, seen: null })
  await t.rejects(check(lease()), { code: 'identity_changed' })
  t.match(store.pin(), { identity: { userId: OTHER_USER }, seen: { userId: USER } })
})

t.test('an integration made again under the same name starts anew', async (t) => {
  const { store, check } = setUp()
  await check(lease())
  await check(lease({ orgId: OTHER_ORG }), integration({ uid: 'v' }))
  t.match(store.pin(), { uid: 'v', identity: { orgId: OTHER_ORG } })
})

t.test('a move and other scopes are told, and served', async (t) => {
  const { check, actions, warnings } = setUp()
  await check(lease())
  await check(lease({ instanceUrl: 'https://moved.my.salesforce.com' }))
  await check(lease({ instanceUrl: 'https://moved.my.salesforce.com', scope: 'api web' }))
  t.same(actions(), ['instance.changed', 'scope.changed'])
  t.equal(warnings.length, 2)
})

t.test('while the store is down, what this replica saw is held against', async (t) => {
  const { store, check, newGuard } = setUp()
  await check(lease())
  store.goDown()
  await check(lease())
  await t.rejects(check(lease({ userId: OTHER_USER })), { code: 'identity_changed' })
  await t.rejects(check(lease(), integration(), newGuard()), { code: 'store_unavailable' })
})

t.test('a first token that comes as the store goes is served, and pinned later', async (t) => {
  const { store, guard, check } = setUp()
  const known = await guard.known(integration())
  store.goDown()
  await guard.check(integration(), lease(), known)
  await t.rejects(check(lease({ userId: OTHER_USER })), { code: 'identity_changed' })
  store.goDown(false)
  await check(lease())
  t.match(store.pin(), { identity: { userId: USER } })
})

t.test('accepting takes what was seen, and forgets the refusal', async (t) => {
  const { store, check, acceptance, forgotten } = setUp()
  t.equal(await acceptance.accept(integration()), undefined)
  await check(lease())
  t.equal(await acceptance.accept(integration()), undefined)
  await t.rejects(check(lease({ userId: OTHER_USER })))
  t.match(await acceptance.accept(integration()), {
    former: { userId: USER },
    identity: { userId: OTHER_USER },
  })
  t.same(forgotten, ['billing'])
  t.equal(store.pin()?.seen, null)
  await check(lease({ userId: OTHER_USER }))
  await t.rejects(check(lease()), { code: 'identity_changed' })
})

t.test('what expect rules out is not accepted, but changed there', async (t) => {
  const { check, acceptance } = setUp()
  const strict = integration({ identity: { pin: 'user', expect: { userId: USER } } })
  await t.rejects(check(lease({ userId: OTHER_USER }), strict), { code: 'identity_changed' })
  await t.rejects(acceptance.accept(strict), { code: 'request_invalid' })
})

t.test('a move of an org takes those along that were pinned to it', async (t) => {
  const move = { fromOrgId: ORG.slice(0, 15), toOrgId: OTHER_ORG }
  const moved = lease({ orgId: OTHER_ORG, userId: OTHER_USER })
  await t.test('one whose new token was kept back', async (t) => {
    const { check, acceptance } = setUp()
    await check(lease())
    await t.rejects(check(moved))
    t.match(await acceptance.acceptMove(integration(), move), { identity: { userId: OTHER_USER } })
    await check(moved)
  })
  await t.test('one that asked for none since', async (t) => {
    const { check, acceptance } = setUp()
    await check(lease())
    t.match(await acceptance.acceptMove(integration(), move), {
      identity: { orgId: OTHER_ORG, userId: null },
    })
    await check(moved)
    await t.rejects(check(lease({ orgId: OTHER_ORG })), { code: 'identity_changed' })
  })
  await t.test('none that was elsewhere, is elsewhere, or may not go', async (t) => {
    const { check, acceptance } = setUp()
    const stays = async (by = integration(), to = move) =>
      t.equal(await acceptance.acceptMove(by, to), undefined)
    await stays()
    await check(lease())
    await stays(integration(), { fromOrgId: OTHER_ORG, toOrgId: ORG })
    await stays(integration({ identity: { pin: 'user' } }))
    await stays(integration({ identity: { pin: 'org_and_user', expect: { orgId: ORG } } }))
    await t.rejects(check(lease({ orgId: '00D000000000003AAA' })))
    await stays()
  })
})
