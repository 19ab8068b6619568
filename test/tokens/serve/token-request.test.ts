import t from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import type { RefreshTokenExchange } from '../../../src/custody/exchange.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import type { TokenAnswer } from '../../../src/grants/token-endpoint/token-answer.ts'
import type { Signing } from '../../../src/signers/signers.ts'
import { createTokenRequester, type Signer } from '../../../src/tokens/serve/token-request.ts'
import { eventually } from '../../support/eventually.ts'
import { grantContextOf } from '../../support/grant-context.ts'
import { type AnyGrant, integrationOf, leaseOf } from '../../support/integrations.ts'
import { partOf } from '../../support/part.ts'
import { testLog, testRuntime } from '../../support/runtime.ts'
import { newSigningKey } from '../../support/signing-key.ts'

const GRANTS = {
  client_credentials: {
    grant: { type: 'client_credentials', clientId: 'app', clientAuth: 'client_secret_basic' },
    signer: {
      clientId: 'app',
      credential: { type: 'client_secret', clientSecret: new Secret('s') },
    },
  },
  refresh_token: {
    grant: { type: 'refresh_token', clientId: 'app' },
    signer: { clientId: 'app', credential: { type: 'none' } },
  },
} satisfies Readonly<Record<string, { readonly grant: AnyGrant; readonly signer: Signer }>>

function requesterOf(members: { readonly signers?: Signing } = {}) {
  const sent: string[] = []
  const made: string[] = []
  const answer = async (request: { readonly signal?: AbortSignal }): Promise<TokenAnswer> => {
    sent.push(request.signal?.aborted ? 'too late' : 'request')
    return {
      accessToken: new Secret('token'),
      issuer: 'https://acme.my.salesforce.com',
      instanceUrl: 'https://acme.my.salesforce.com',
      expiresInSeconds: 600,
    }
  }
  const exchange: RefreshTokenExchange['exchange'] = () => answer({})
  const requester = createTokenRequester({
    grants: grantContextOf(
      { token: answer },
      {
        now: () => 1_000,
        uniqueId: () => {
          made.push('assertion')
          return 'id'
        },
        ...members,
      },
    ),
    refreshTokens: { exchange },
    runtime: testRuntime({ now: () => 1_000 }),
    log: testLog(),
  })
  return { requester, sent, made }
}

for (const [type, { grant, signer }] of Object.entries(GRANTS)) {
  t.test(`${type}: nothing leaves before the login is allowed`, async (t) => {
    const { requester, sent } = requesterOf()
    let allow: () => void = () => undefined
    const charge = () =>
      new Promise<void>((resolve) => {
        allow = resolve
      })
    const minting = requester.request(integrationOf({ grant }), signer, charge)
    await new Promise(setImmediate)
    t.same(sent, [])
    allow()
    t.match(await minting, { integration: 'billing', expirySource: 'expires_in' })
    t.same(sent, ['request'])
  })

  t.test(`${type}: and never, where it is not`, async (t) => {
    const { requester, sent } = requesterOf()
    const charge = async () => {
      throw new BrokerError('login_budget_exhausted', 'empty')
    }
    const minting = requester.request(integrationOf({ grant }), signer, charge)
    await t.rejects(minting, { code: 'login_budget_exhausted' })
    await new Promise(setImmediate)
    t.same(sent, [])
  })
}

t.test('a request is made ready while its login is charged', async (t) => {
  const { requester, sent, made } = requesterOf()
  const { privateKey } = await newSigningKey()
  const grant = { type: 'jwt_bearer', clientId: 'app', username: 'x@acme.com' }
  const signer: Signer = {
    clientId: 'app',
    credential: { type: 'certificate', privateKey: new Secret(privateKey) },
  }
  await requester.request(integrationOf({ grant }), signer, async () => {
    await eventually(() => made.length === 1)
    t.same(sent, [])
  })
  t.same(sent, ['request'])
})

t.test(
  'a signer begins while the login is charged, and its time lets a refresh begin earlier',
  async (t) => {
    const [began, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const signers = partOf<Signing>({
      ready: async () => undefined,
      async sign() {
        began.resolve()
        await ended.promise
        return Buffer.from('a signature')
      },
      signatureMs: () => 60_000,
    })
    const key = { name: 'hsm', key: 'billing', publicKey: 'not looked at' }
    const { requester, sent } = requesterOf({ signers })
    const grant = { type: 'jwt_bearer', clientId: 'app', username: 'x@acme.com' }
    const signer: Signer = {
      clientId: 'app',
      credential: { type: 'certificate', privateKey: key },
    }
    const lease = await requester.request(integrationOf({ grant }), signer, async () => {
      await began.promise
      ended.resolve()
      t.same(sent, [], 'and Salesforce is not asked before the login is allowed')
    })
    t.same(sent, ['request'])
    t.equal(lease.refreshAt, 1_000 + 450_000 - 60_000)
  },
)

t.test('whoever may not log in is told so, whatever else is wrong', async (t) => {
  const { requester } = requesterOf()
  const charge = async () => {
    await new Promise(setImmediate)
    throw new BrokerError('login_budget_exhausted', 'empty')
  }
  const unfit: Signer = { clientId: 'app', credential: { type: 'none' } }
  await t.rejects(requester.request(integrationOf(), unfit, charge), {
    code: 'login_budget_exhausted',
  })
})

t.test('Salesforce has its time from when the login is allowed', async (t) => {
  const { requester, sent } = requesterOf()
  const { grant, signer } = GRANTS.client_credentials
  const late: (() => void)[] = []
  t.intercept(globalThis, 'setTimeout', { value: (end: () => void) => late.push(end) })
  await requester.request(integrationOf({ grant }), signer, async () => {
    await new Promise(setImmediate)
    for (const end of late.splice(0)) end()
  })
  t.same(sent, ['request'])
})

t.test('a token that lives is not dead because its lease ended while it was asked', async (t) => {
  const { grant, signer } = { ...GRANTS.client_credentials }
  const requester = createTokenRequester({
    grants: grantContextOf({ probe: async () => ({ verdict: 'live' }) }),
    refreshTokens: { exchange: () => Promise.reject(new Error('The test expects no exchange')) },
    runtime: testRuntime({ now: () => 460_000 }),
    log: testLog(),
  })
  const lease = leaseOf({ mintedAt: 0, expiresAt: 450_000, learnBy: 15_000 })
  const { signal } = new AbortController()
  const learning = requester.learn(integrationOf({ grant }), signer, lease, signal)
  await t.rejects(learning, { code: 'conflict' })
})
