import t, { type Test } from 'tap'
import { NOBODY } from '../../src/audit/event.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { createCredentialWriter } from '../../src/integrations/credential-writer.ts'
import { digestOf, etagOf, type Integration } from '../../src/integrations/integration.ts'
import type { IntegrationStore } from '../../src/integrations/integration-store.ts'
import { byItself } from '../../src/integrations/references/visible.ts'
import { type ActivationDependencies, createActivation } from '../../src/rotation/activation.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'
import { BAD_SIGNATURE, createWitness, credential, integrationWith, openStore } from './fixture.ts'

const NOW = 1_000_000
const ANY = { authorise: byItself, preconditions: {}, by: NOBODY }

async function setUp(
  t: Test,
  credentials = [credential('a', 'active'), credential('s', 'staged')],
  {
    store: changed,
    ...change
  }: Partial<Omit<ActivationDependencies, 'store'>> & {
    readonly store?: Partial<IntegrationStore>
  } = {},
) {
  const opened = await openStore(t)
  const { put } = opened
  const store = { ...opened.store, ...changed }
  const integration = integrationWith('billing', credentials)
  await put(integration)
  const witness = createWitness()
  const proofs: string[] = []
  const adopted: string[] = []
  const runtime = { now: () => NOW }
  const writer = createCredentialWriter({ store, audit: witness.audit, runtime, log: witness.log })
  const activation = createActivation({
    store,
    credentials: writer,
    outcomes: opened.records.outcomes,
    prover: {
      prove: async (_name, id) => {
        proofs.push(id)
        return { tokenId: `of ${id}` } as Lease
      },
      adopt: async ({ tokenId }) => {
        adopted.push(tokenId)
      },
    },
    audit: witness.audit,
    now: () => NOW,
    ...change,
  })
  const promotion = { ...activation, promote: writer.promote, follow: writer.follow }
  return { ...opened, ...witness, promotion, integration, proofs, adopted }
}

const proverThatThrows = (error: Error) => ({
  prove: () => Promise.reject(error),
  adopt: async () => undefined,
})

/** Another write comes between the read and the change, once. */
const overtaken = (store: IntegrationStore, by: (current: Integration) => Promise<unknown>) => {
  let isDone = false
  return {
    ...store,
    async change(...args: Parameters<IntegrationStore['change']>) {
      if (!isDone) {
        isDone = true
        const current = await store.read('billing')
        if (current) await by(current)
      }
      return store.change(...args)
    },
  }
}

const describe = (store: IntegrationStore) => async (integration: Integration) => {
  const sealed = await store.readSealed(integration.name)
  if (!sealed) throw new Error('it is there')
  const changed = { ...integration, description: 'changed' }
  await store.change(integration, {
    integration: changed,
    digests: sealed.digests,
    secrets: await sealed.open(),
  })
}

t.test(
  'a flip is one write: staged, active and retired move on, and one secret goes',
  async (t) => {
    const { promotion, store, statesOf, integration, audited } = await setUp(t, [
      credential('a', 'active'),
      credential('s', 'staged'),
      credential('r', 'retired'),
      credential('p', 'pending'),
    ])
    await promotion.promote(integration, 's')
    t.same(await statesOf('billing'), { s: 'active', a: 'retired', p: 'pending' })
    const sealed = await store.readSealed('billing')
    t.equal(sealed?.integration.version, 2)
    t.match(sealed?.integration.credentials, [
      { id: 's', activatedAt: NOW, retiresAt: null },
      { id: 'a', retiresAt: NOW + 15 * 60_000 },
      { id: 'p' },
    ])
    t.same(Object.keys((await sealed?.open())?.byId ?? {}).sort(), ['a', 'p', 's'])
    t.match(audited, [{ action: 'credential.activated', by: null, detail: { credential: 's' } }])
  },
)

t.test('a flip by itself happens once, however many found that it is time', async (t) => {
  const { promotion, integration, audited, store } = await setUp(t)
  await Promise.all([1, 2, 3, 4].map(() => promotion.promote(integration, 's')))
  t.equal(audited.length, 1)
  t.equal((await store.read('billing'))?.version, 2)
})

t.test('a flip by itself that loses a race looks again', async (t) => {
  const opened = await openStore(t)
  const { integration } = await setUp(t)
  await opened.put(integration)
  const { store } = opened
  const { promotion } = await setUp(t, undefined, {
    store: overtaken(store, describe(store)),
  })
  await promotion.promote(integration, 's')
  t.match(await store.read('billing'), { description: 'changed', version: 3 })
  t.same(await opened.statesOf('billing'), { s: 'active', a: 'retired' })
})

t.test(
  'a flip by itself needs the very active one that was refused, and the same app',
  async (t) => {
    const blue = [credential('a', 'active'), credential('s', 'staged')]
    for (const [what, credentials, tried] of [
      ['another is active', [credential('b', 'active'), credential('s', 'staged')], blue],
      ['it is not staged any more', [credential('a', 'active'), credential('s', 'pending')], blue],
      ['it is the retired one', [credential('a', 'active'), credential('s', 'retired')], blue],
      [
        'it is of another app',
        [credential('a', 'active'), credential('s', 'staged', 'green')],
        blue,
      ],
      ['it is gone', [credential('a', 'active')], blue],
    ] as const) {
      const { promotion, statesOf, audited } = await setUp(t, [...credentials])
      const before = await statesOf('billing')
      await promotion.promote(integrationWith('billing', tried), 's')
      t.same(await statesOf('billing'), before, what)
      t.same(audited, [], what)
    }
    const made = await setUp(t)
    await made.promotion.promote({ ...made.integration, uid: 'the one before it' }, 's')
    t.same(await made.statesOf('billing'), { a: 'active', s: 'staged' })
  },
)

t.test('a flip by itself that fails is left to the next mint', async (t) => {
  const { promotion, integration, logged } = await setUp(t, undefined, {
    store: {
      readSealed: async () => {
        throw new BrokerError('store_unavailable', 'down')
      },
      change: async () => undefined,
    },
  })
  await promotion.promote(integration, 's')
  t.same(logged, ['warn: a credential could not be made active yet'])
})

t.test('activating proves just that credential, and hands on its token', async (t) => {
  const { promotion, statesOf, proofs, adopted } = await setUp(t)
  const owner = await promotion.activate('billing', 's', { ...ANY, prove: true })
  t.equal(owner.version, 2)
  t.same([proofs, adopted], [['s'], ['of s']])
  t.same(await statesOf('billing'), { s: 'active', a: 'retired' })
})

t.test('what was found out at another place flips nothing', async (t) => {
  const { promotion, integration, store } = await setUp(t)
  for (const change of [
    { loginUrl: 'https://other.my.salesforce.com' },
    { grant: { type: 'client_credentials', clientId: 'blue', clientAuth: 'client_secret_post' } },
    { uid: 'of one that was deleted since' },
  ]) {
    await promotion.promote({ ...integration, ...change }, 's')
  }
  t.equal((await store.read('billing'))?.version, 1)
  await promotion.promote(integration, 's')
  t.equal((await store.read('billing'))?.version, 2)
})

t.test('a credential of a kind that the grant does not take any more stays staged', async (t) => {
  const key = { ...credential('k', 'staged'), type: 'certificate' as const }
  const { promotion, proofs } = await setUp(t, [credential('a', 'active'), key])
  for (const prove of [true, false]) {
    await t.rejects(promotion.activate('billing', 'k', { ...ANY, prove }), {
      code: 'credential_state',
    })
  }
  t.same(proofs, [])
})

t.test('a refused proof changes nothing, and says why', async (t) => {
  const { promotion, store, audited } = await setUp(t, undefined, {
    prover: proverThatThrows(BAD_SIGNATURE),
  })
  const by = { principal: 'api-key:ops', requestId: 'r' }
  await t.rejects(promotion.activate('billing', 's', { ...ANY, prove: true, by }), {
    code: 'credential_rejected',
    members: { refusal: { reason: 'assertion_invalid' } },
  })
  t.equal((await store.read('billing'))?.version, 1)
  t.match(audited, [{ action: 'credential.rejected', by: 'api-key:ops', outcome: 'refused' }])
})

t.test('a proof that fails for another reason is that, and changes nothing', async (t) => {
  const { promotion, store } = await setUp(t, undefined, {
    prover: proverThatThrows(new BrokerError('salesforce_unavailable', 'down')),
  })
  await t.rejects(promotion.activate('billing', 's', { ...ANY, prove: true }), {
    code: 'salesforce_unavailable',
  })
  t.equal((await store.read('billing'))?.version, 1)
})

t.test('who is overtaken while proving has lost', async (t) => {
  const { store, put, statesOf } = await openStore(t)
  await put(integrationWith('billing', [credential('a', 'active'), credential('s', 'staged')]))
  const { promotion, adopted } = await setUp(t, undefined, {
    store: overtaken(store, describe(store)),
  })
  await t.rejects(promotion.activate('billing', 's', { ...ANY, prove: true }), {
    code: 'integration_changed',
    status: 412,
  })
  t.same(await statesOf('billing'), { a: 'active', s: 'staged' })
  t.same(adopted, [])
})

t.test('an old ETag is refused before Salesforce is asked', async (t) => {
  const { promotion, proofs, integration } = await setUp(t)
  const ifMatch = etagOf({ ...integration, version: 7 })
  await t.rejects(
    promotion.activate('billing', 's', { ...ANY, prove: true, preconditions: { ifMatch } }),
    { code: 'integration_changed' },
  )
  t.same(proofs, [])
  const preconditions = { ifMatch: etagOf(integration) }
  await promotion.activate('billing', 's', { ...ANY, prove: true, preconditions })
})

t.test('activating says what is not there, and what is in no state for it', async (t) => {
  const { promotion } = await setUp(t, [credential('a', 'active'), credential('p', 'pending')])
  const options = { ...ANY, prove: false }
  await t.rejects(promotion.activate('nowhere', 'a', options), { code: 'integration_not_found' })
  await t.rejects(promotion.activate('billing', 'x', options), { code: 'credential_not_found' })
  for (const id of ['a', 'p']) {
    await t.rejects(promotion.activate('billing', id, options), { code: 'credential_state' })
  }
})

t.test('only a credential of another app names its app', async (t) => {
  const { promotion, store } = await setUp(t)
  const clients = async () =>
    Object.fromEntries(
      ((await store.read('billing'))?.credentials ?? []).map((one) => [one.id, one.clientId]),
    )
  const options = { ...ANY, prove: false }
  await promotion.activate('billing', 's', options)
  t.same(await clients(), { a: null, s: null })
  const green = await setUp(t, [credential('a', 'active'), credential('s', 'staged', 'green')])
  await green.promotion.activate('billing', 's', options)
  t.match((await green.store.read('billing'))?.credentials, [
    { id: 's', clientId: 'green' },
    { id: 'a', clientId: 'blue' },
  ])
  t.equal((await green.store.readSealed('billing'))?.digests.length, 2, 'both leases are good')
  await green.promotion.activate('billing', 'a', options)
  t.match((await green.store.read('billing'))?.credentials, [
    { id: 'a', clientId: null },
    { id: 's', clientId: 'green' },
  ])
})

t.test('what signs with it follows, and only that', async (t) => {
  const { promotion, store, put, integration } = await setUp(t, [
    credential('a', 'active'),
    credential('s', 'staged', 'green'),
  ])
  const follower = integrationWith('follower', [], { credentialFrom: 'billing' })
  await put(follower, integration.credentials)
  await put(integrationWith('stranger', [credential('x', 'active')]))
  await promotion.activate('billing', 's', { ...ANY, prove: false })
  const sealed = await store.readSealed('follower')
  t.same(sealed?.digests, [digestOf(follower, 'green'), digestOf(follower, 'blue')])
  t.equal(sealed?.integration.version, 2, 'so that what was refused before counts no more')
  t.equal((await store.read('stranger'))?.version, 1)
})

t.test('a follower that a crash left behind follows when it is minted for', async (t) => {
  const { promotion, store, put } = await setUp(t, [credential('s', 'active', 'green')])
  const follower = integrationWith('follower', [], { credentialFrom: 'billing' })
  await put(follower, [credential('a', 'active')])
  await promotion.follow(follower.name)
  t.same((await store.readSealed('follower'))?.digests, [digestOf(follower, 'green')])
})
