import fc from 'fast-check'
import t from 'tap'
import { statusOf } from '../../src/connections/connection.ts'
import { connectionViewOf } from '../../src/connections/schemas.ts'
import type { Callback } from '../../src/connections/web-server-flow.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { eventually } from '../support/eventually.ts'
import { decide } from '../support/salesforce-user.ts'
import { flows } from './fixture.ts'

const parametersOf = (url: URL): Callback & { state: string; code: string } => ({
  state: '',
  code: '',
  ...Object.fromEntries(url.searchParams),
})

const MINUTE_MS = 60_000

t.test('connects: one code, one exchange, its verifier and its secret', async (t) => {
  const { web, add, beginning, kept, audited, simulator, store } = await flows(t)
  const { connection, authorizationUrl } = await web.begin(beginning(add('billing')))
  const url = new URL(authorizationUrl)
  t.match(Object.fromEntries(url.searchParams), {
    response_type: 'code',
    redirect_uri: 'https://broker.example/oauth/callback',
    code_challenge: /^[\w-]{43}$/,
    code_challenge_method: 'S256',
    prompt: 'consent',
  })
  const secret = url.searchParams.get('state')?.split('.')[1] ?? ''
  const { body = '' } = (await store.documents.read('connection', connection.id)) ?? {}
  t.notMatch(body, secret, 'the state is kept as a hash')

  const back = parametersOf(await decide(authorizationUrl))
  const result = await web.finish(back, 'request-2')
  t.match(result, { type: 'ended', connection: { state: 'connected', sealed: null } })
  t.equal(kept.length, 1)
  t.match(kept[0], { name: 'billing', refreshToken: /^5Aep861/ })
  const [exchange] = simulator.tokenRequests()
  t.match(exchange?.form, { grant_type: 'authorization_code', code_verifier: /^[\w-]{86}$/ })
  t.match(audited, [{ action: 'integration.connected', integration: 'billing' }])
  t.equal((await web.finish(back, 'request-3')).type, 'over', 'a reload finishes nothing')
  t.equal(simulator.tokenRequests().length, 1)
})

t.test('of two that come at once with the same state, one goes on', async (t) => {
  const { web, add, beginning, kept } = await flows(t)
  const { authorizationUrl } = await web.begin(beginning(add('billing')))
  const back = parametersOf(await decide(authorizationUrl))
  const results = await Promise.all(Array.from({ length: 8 }, () => web.finish(back, 'r')))
  t.equal(results.filter(({ type }) => type === 'ended').length, 1)
  t.equal(kept.length, 1)
})

t.test('a state that is forged, changed, replayed, swapped or late finishes nothing', async (t) => {
  const { web, add, beginning, kept, pass, simulator } = await flows(t)
  const used = await web.begin(beginning(add('used')))
  const usedBack = parametersOf(await decide(used.authorizationUrl))
  await web.finish(usedBack, 'r')
  const late = await web.begin(beginning(add('late')))
  const lateBack = parametersOf(await decide(late.authorizationUrl))
  pass(10 * MINUTE_MS)
  const fresh = await web.begin(beginning(add('fresh')))
  const freshBack = parametersOf(await decide(fresh.authorizationUrl))
  const [id = '', secret = ''] = freshBack.state.split('.')
  const [otherId = '', otherSecret = ''] = usedBack.state.split('.')
  const before = { kept: kept.length, requests: simulator.tokenRequests().length }

  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const letter = fc.constantFrom(...letters)
  const text = (length: number) => fc.string({ unit: letter, minLength: length, maxLength: length })
  const changedAt = (at: number, by: string) => {
    const index = at % freshBack.state.length
    return freshBack.state.slice(0, index) + by + freshBack.state.slice(index + 1)
  }
  const state = fc.oneof(
    fc.tuple(text(22), text(43)).map((parts) => parts.join('.')),
    text(43).map((forged) => `${id}.${forged}`),
    fc.constant(`${id}.${otherSecret}`),
    fc.constant(`${otherId}.${secret}`),
    fc.constant(usedBack.state),
    fc.constant(lateBack.state),
    fc.constant(`${freshBack.state}A`),
    fc.constant(freshBack.state.slice(0, -1)),
    fc.tuple(fc.nat(), letter).map(([at, by]) => changedAt(at, by)),
    fc.array(fc.constant(freshBack.state), { minLength: 2, maxLength: 3 }),
    fc.string(),
    fc.constant(undefined),
  )
  const rest = fc.constantFrom<Callback>(
    { code: freshBack.code },
    { code: lateBack.code },
    { error: 'access_denied' },
    { code: freshBack.code, error: 'access_denied' },
    {},
  )
  await fc.assert(
    fc.asyncProperty(state, rest, async (changed, others) => {
      fc.pre(changed !== freshBack.state)
      const result = await web.finish({ ...others, state: changed }, 'r')
      return result.type !== 'ended'
    }),
    { numRuns: 400 },
  )
  t.equal(kept.length, before.kept)
  t.equal(simulator.tokenRequests().length, before.requests, 'Salesforce heard of none of it')
  t.match(await web.finish(freshBack, 'r'), { connection: { state: 'connected' } })
})

t.test('without a whole answer the state stays good', async (t) => {
  const { web, add, beginning } = await flows(t)
  const { authorizationUrl } = await web.begin(beginning(add('billing')))
  const back = parametersOf(await decide(authorizationUrl))
  const { state } = back
  for (const code of [undefined, '', ['a', 'b'], 'with space', 'x'.repeat(5_000)]) {
    t.equal((await web.finish({ state, code }, 'r')).type, 'invalid')
  }
  t.match(await web.finish(back, 'r'), { connection: { state: 'connected' } })
})

t.test('a link outlives an outage of the store, and works once it is back', async (t) => {
  const { web, add, beginning, world, simulator } = await flows(t)
  const { authorizationUrl } = await web.begin(beginning(add('billing')))
  const back = parametersOf(await decide(authorizationUrl))
  world.isStoreAway = true
  await t.rejects(web.finish(back, 'r'), { code: 'store_unavailable' })
  t.equal(simulator.tokenRequests().length, 0, 'the code was not spent')
  world.isStoreAway = false
  t.match(await web.finish(back, 'r'), { connection: { state: 'connected' } })
})

t.test(
  'what is not for this integration any more is void, and asks Salesforce nothing',
  async (t) => {
    const { web, add, beginning, world, simulator, kept } = await flows(t)
    const cases = {
      removed: ['integration_changed', () => world.integrations.delete('removed')],
      remade: [
        'integration_changed',
        () => world.integrations.set('remade', { ...add('remade'), uid: 'another' }),
      ],
      moved: [
        'integration_changed',
        () => world.integrations.set('moved', { ...add('moved'), loginUrl: 'https://x.example' }),
      ],
      rekeyed: [
        'integration_changed',
        () =>
          world.integrations.set('rekeyed', {
            ...add('rekeyed'),
            grant: { type: 'refresh_token', clientId: 'another' },
          }),
      ],
      disabled: [
        'integration_changed',
        () => world.integrations.set('disabled', { ...add('disabled'), enabled: false }),
      ],
      forbidden: [
        'permission_lost',
        () => {
          world.permits = [{ permission: 'credentials:write', integrations: ['x*'], labels: {} }]
        },
      ],
    } as const
    for (const [name, [reason, change]] of Object.entries(cases)) {
      const { authorizationUrl } = await web.begin(beginning(add(name)))
      const back = parametersOf(await decide(authorizationUrl))
      change()
      t.match(await web.finish(back, 'r'), { connection: { state: 'failed', reason } }, name)
    }
    t.equal(simulator.tokenRequests().length, 0)
    t.equal(kept.length, 0)
  },
)

t.test(
  'keeps nothing that is not whole, not signed, or of another user, and ends it at Salesforce',
  async (t) => {
    const { web, add, beginning, world, simulator, kept, audited } = await flows(t)
    const integration = add('billing')
    const connect = async (scopes: readonly string[] | null = null) => {
      const { authorizationUrl } = await web.begin({ ...beginning(integration), scopes })
      const result = await web.finish(parametersOf(await decide(authorizationUrl)), 'r')
      return result.type === 'ended' ? result.connection : undefined
    }
    t.match(await connect(['api']), { state: 'failed', reason: 'refresh_token_missing' })
    simulator.addFault({ kind: 'members', set: { signature: 'AAAA' } })
    t.match(await connect(), { state: 'failed', reason: 'signature_invalid' })
    simulator.addFault({ kind: 'members', remove: ['signature'] })
    t.match(await connect(), { state: 'failed', reason: 'signature_invalid' })
    simulator.addFault({ kind: 'members', set: { id: `${simulator.origins.login}/id/00D/005` } })
    t.match(await connect(), { state: 'failed', reason: 'signature_invalid' })
    simulator.addFault({ kind: 'foreign_instance_url' })
    t.match(await connect(), { state: 'failed', reason: 'token_response_invalid' })
    world.isOther = true
    t.match(await connect(), { state: 'failed', reason: 'identity_changed' })
    world.isOther = false
    world.custodyFails = new BrokerError('store_unavailable', 'It is down')
    t.match(await connect(), { state: 'failed', reason: 'store_unavailable' })
    world.custodyFails = undefined
    t.equal(kept.length, 0)
    t.equal(simulator.sessions().length, 0, 'and nothing of it lives on')
    t.ok(
      audited.every(
        ({ action, outcome }) => action === 'connection.failed' && outcome === 'failed',
      ),
    )
    t.match(await connect(), { state: 'connected' })
  },
)

t.test('errors of the authorize step and of the exchange are told', async (t) => {
  const { web, add, beginning, simulator, world } = await flows(t)
  const integration = add('billing')
  const connect = async (decision: 'allow' | 'deny' = 'allow') => {
    const { connection, authorizationUrl } = await web.begin(beginning(integration))
    const back = parametersOf(await decide(authorizationUrl, { decision }))
    const result = await web.finish(back, 'r')
    return result.type === 'ended' ? result.connection : connection
  }
  t.match(await connect('deny'), { state: 'denied', refusal: { reason: 'access_denied' } })
  simulator.refuseNext('app_blocked')
  t.match(await connect(), { state: 'failed', refusal: { reason: 'app_blocked' } })
  world.secret = 'wrong'
  t.match(await connect(), { refusal: { reason: 'client_credentials_invalid' } })
  simulator.addFault({ kind: 'reset', afterCommit: true })
  t.match(await connect(), { state: 'failed', reason: 'salesforce_unavailable', refusal: null })
})

t.test('the first of two wins, and a disconnect voids what is pending', async (t) => {
  const { web, add, beginning, disconnect, kept, world } = await flows(t)
  const integration = add('billing')
  const [one, other] = [
    await web.begin(beginning(integration)),
    await web.begin(beginning(integration)),
  ]
  const backs = [await decide(one.authorizationUrl), await decide(other.authorizationUrl)]
  const results = []
  for (const back of backs) results.push(await web.finish(parametersOf(back), 'r'))
  t.match(results, [
    { connection: { state: 'connected' } },
    { connection: { state: 'failed', reason: 'superseded' } },
  ])
  const pending = await web.begin(beginning(integration))
  const back = parametersOf(await decide(pending.authorizationUrl))
  t.equal(await disconnect(integration, 'r', world.authorise), true)
  t.match(await web.finish(back, 'r'), { type: 'over', connection: { reason: 'superseded' } })
  t.equal(kept.length, 1)
})

t.test('a disconnect voids what is being fetched, too', async (t) => {
  const { web, add, beginning, disconnect, kept, simulator, audited, world } = await flows(t)
  const integration = add('billing')
  const begun = await web.begin(beginning(integration))
  const back = parametersOf(await decide(begun.authorizationUrl))
  const held = simulator.addFault({ kind: 'hold', endpoint: 'token' })
  const finishing = web.finish(back, 'r')
  await eventually(() => held.holding() === 1)
  t.equal(await disconnect(integration, 'r', world.authorise), true)
  held.remove()
  t.match(await finishing, { connection: { state: 'failed', reason: 'superseded' } })
  t.equal(kept.length, 0)
  t.equal(simulator.sessions().length, 0, 'it was given back')
  t.match(audited, [{ action: 'connection.failed' }])
  t.equal(audited.length, 1)
})

t.test('time alone ends what nobody decided, and what a crash left half done', async (t) => {
  const { web, add, beginning, connections, now, pass } = await flows(t)
  const { connection } = await web.begin(beginning(add('billing')))
  t.equal(statusOf(connection, now()), 'pending')
  const stuck = { ...connection, state: 'claimed', claimedAt: now() } as const
  await connections.update(stuck.id, () => stuck)
  t.equal(statusOf(stuck, now()), 'pending')
  pass(MINUTE_MS)
  t.equal(statusOf(stuck, now()), 'failed')
  pass(9 * MINUTE_MS)
  t.equal(statusOf(connection, now()), 'expired')
  t.match(connectionViewOf(connection, now()), {
    status: 'expired',
    reason: null,
    detail: /OAUTH_EC_APP_NOT_FOUND/,
    remedy: /\/problems\/salesforce/,
  })
})
