import type { JSONWebKeySet, JWSHeaderParameters } from 'jose'
import t, { type Test } from 'tap'
import { createSigningKeys } from '../../../src/callers/authentication/jwks.ts'
import { createJwtAuthenticator } from '../../../src/callers/authentication/jwt.ts'
import type { CallerEntry, IssuerSettings } from '../../../src/callers/caller-entry.ts'
import { startIssuer } from '../../support/issuer.ts'
import { testRuntime } from '../../support/runtime.ts'

const caller = (issuer: string): CallerEntry => ({
  name: 'billing',
  match: { issuer },
  permissions: ['tokens:read'],
  integrations: ['*'],
  labels: {},
})

/** An authenticator that counts how often a signature is checked. */
async function fixture(t: Test) {
  let time = Date.now()
  let steady = 0
  const now = () => time
  const monotonic = () => steady
  const idp = await startIssuer({ now })
  t.teardown(() => idp.stop())
  let issuers: readonly IssuerSettings[] = [{ issuer: idp.issuer, audience: 'valetkey' }]
  let callers: readonly CallerEntry[] = [caller(idp.issuer)]
  let checks = 0
  const stopped: string[] = []
  const authenticator = createJwtAuthenticator({
    issuers: () => issuers,
    callers: () => callers,
    createSigningKeys({ issuer }) {
      const keys = createSigningKeys({
        fetch: async () => ({ keys: [idp.jwk] }) as JSONWebKeySet,
        runtime: testRuntime({
          now,
          monotonic,
          sleep: (_ms, signal) =>
            new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
        }),
        onTrouble: () => undefined,
      })
      return {
        ...keys,
        find(header: JWSHeaderParameters) {
          checks += 1
          return keys.find(header)
        },
        async stop() {
          stopped.push(issuer)
          await keys.stop()
        },
      }
    },
    now,
    monotonic,
  })
  return {
    idp,
    authenticator,
    now,
    stopped,
    checks: () => checks,
    pass(ms: number) {
      time += ms
      steady += ms
    },
    /** Somebody sets the clock of the machine. */
    set(byMs: number) {
      time += byMs
    },
    settings(next: { issuers?: readonly IssuerSettings[]; callers?: readonly CallerEntry[] }) {
      issuers = next.issuers ?? issuers
      callers = next.callers ?? callers
    },
  }
}

t.test('a token is checked once in five minutes', async (t) => {
  const { idp, authenticator, checks, pass, now } = await fixture(t)
  const bearer = await idp.sign({ exp: Math.floor(now() / 1000) + 3_600 })
  for (let round = 0; round < 10; round += 1) await authenticator.authenticate({ bearer })
  t.equal(checks(), 1)
  pass(299_999)
  t.notOk(authenticator.authenticate({ bearer }) instanceof Promise)
  pass(1)
  t.type(authenticator.authenticate({ bearer }), Promise)
  t.equal(checks(), 2)
})

t.test('a clock that is set back keeps nothing from being checked again', async (t) => {
  const { idp, authenticator, checks, pass, set, now } = await fixture(t)
  const second = Math.floor(now() / 1000)
  const bearer = await idp.sign({ iat: second - 3_600, exp: second + 3_600 })
  await authenticator.authenticate({ bearer })
  set(-1_800_000)
  pass(300_000)
  const found = authenticator.authenticate({ bearer })
  t.type(found, Promise)
  await found
  t.equal(checks(), 2)
})

t.test('a token that failed is not remembered', async (t) => {
  const { idp, authenticator, checks } = await fixture(t)
  const bearer = await idp.sign({ aud: 'other' })
  for (let round = 0; round < 3; round += 1) {
    await t.rejects(Promise.resolve(authenticator.authenticate({ bearer })))
  }
  t.equal(checks(), 3)
})

t.test('ten thousand tokens are remembered, and the oldest go first', async (t) => {
  const { idp, authenticator } = await fixture(t)
  const tokens: string[] = []
  for (let jti = 0; jti <= 10_000; jti += 1) tokens.push(await idp.sign({ jti: `${jti}` }))
  for (const bearer of tokens) await authenticator.authenticate({ bearer })
  t.type(authenticator.authenticate({ bearer: tokens[0] ?? '' }), Promise, 'the first one went')
  t.notOk(authenticator.authenticate({ bearer: tokens[2] ?? '' }) instanceof Promise)
  t.notOk(authenticator.authenticate({ bearer: tokens[10_000] ?? '' }) instanceof Promise)
})

t.test(
  'other callers forget what is remembered; an issuer that stays keeps its keys',
  async (t) => {
    const { idp, authenticator, settings, stopped, checks } = await fixture(t)
    const bearer = await idp.sign()
    t.match(await authenticator.authenticate({ bearer }), {
      permits: [{ permission: 'tokens:read' }],
    })
    settings({ callers: [] })
    t.match(await authenticator.authenticate({ bearer }), { permits: [] })
    settings({ issuers: [{ issuer: idp.issuer, audience: 'valetkey' }] })
    await authenticator.authenticate({ bearer })
    t.equal(checks(), 3)
    t.same(stopped, [])
    settings({ issuers: [{ issuer: idp.issuer, audience: 'another' }] })
    await t.rejects(Promise.resolve(authenticator.authenticate({ bearer })), {
      code: 'caller_unauthenticated',
    })
    t.same(stopped, [idp.issuer])
  },
)

t.test('what a connection sends each time is looked at each time', async (t) => {
  const { idp, authenticator, settings, checks, pass, now } = await fixture(t)
  const credentials = { bearer: await idp.sign({ exp: Math.floor(now() / 1000) + 60 }) }
  await authenticator.authenticate(credentials)
  for (let round = 0; round < 2; round += 1) {
    t.match(authenticator.authenticate(credentials), { permits: [{ permission: 'tokens:read' }] })
  }
  t.equal(checks(), 1)
  settings({ callers: [] })
  t.match(await authenticator.authenticate(credentials), { permits: [] })
  t.match(authenticator.authenticate(credentials), { permits: [] })
  pass(91_000)
  await t.rejects(Promise.resolve(authenticator.authenticate(credentials)), {
    code: 'caller_unauthenticated',
  })
})

t.test('a check that was under way when the settings changed is not remembered', async (t) => {
  const { idp, authenticator, settings } = await fixture(t)
  const bearer = await idp.sign()
  const checked = authenticator.authenticate({ bearer })
  settings({ callers: [] })
  const other = authenticator.authenticate({ bearer })
  await Promise.all([checked, other])
  t.match(await authenticator.authenticate({ bearer }), { permits: [] })
})

t.test('keys of every issuer are fetched at the start, and let go at the end', async (t) => {
  const { idp, authenticator, stopped } = await fixture(t)
  t.same(authenticator.issuers(), [])
  authenticator.start()
  t.equal(authenticator.issuers().length, 1)
  await new Promise(setImmediate)
  t.same(authenticator.issuers(), [{ issuer: idp.issuer, isFresh: true }])
  await authenticator.stop()
  t.same(stopped, [idp.issuer])
})

t.test('a token is remembered, and the network is that of each request', async (t) => {
  const { idp, authenticator, checks, settings } = await fixture(t)
  settings({ callers: [{ ...caller(idp.issuer), networks: ['10.0.0.0/8'] }] })
  const credentials = { bearer: await idp.sign() }
  const outside = { code: 'caller_unauthenticated', detail: 'The bearer credential is not valid' }
  const away = async () => authenticator.authenticate(credentials, { ip: '192.0.2.1' })
  await t.rejects(away(), outside, 'verified for the first time')
  for (let turn = 0; turn < 3; turn += 1) {
    t.match(await authenticator.authenticate(credentials, { ip: '10.0.0.1' }), { name: 'billing' })
    await t.rejects(away(), { ...outside, cause: { code: 'TOKEN_OUTSIDE_NETWORKS' } })
  }
  await t.rejects(async () => authenticator.authenticate(credentials), outside, 'from nowhere')
  t.equal(checks(), 1)
  settings({ callers: [caller(idp.issuer)] })
  t.match(await away(), { name: 'billing' }, 'a file without them counts at once')
})
