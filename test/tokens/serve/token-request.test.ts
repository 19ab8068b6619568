import t from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import type { RefreshTokenExchange } from '../../../src/custody/exchange.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import type { GrantContext } from '../../../src/grants/grant.ts'
import type { TokenAnswer } from '../../../src/grants/token-endpoint/token-answer.ts'
import { DEFAULTS, type Integration } from '../../../src/integrations/integration.ts'
import { createTokenRequester, type Signer } from '../../../src/tokens/serve/token-request.ts'
import { eventually } from '../../support/eventually.ts'
import { newSigningKey } from '../../support/signing-key.ts'

const integrationWith = (grant: object) =>
  ({
    ...DEFAULTS,
    name: 'billing',
    uid: 'u',
    loginUrl: 'https://acme.my.salesforce.com',
    grant,
  }) as unknown as Integration

const GRANTS: Readonly<Record<string, { readonly grant: object; readonly signer: Signer }>> = {
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
}

function requesterOf() {
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
    grants: {
      endpoint: { token: answer, aheadMs: () => 0 },
      now: () => 1_000,
      uniqueId: () => {
        made.push('assertion')
        return 'id'
      },
    } as unknown as GrantContext,
    refreshTokens: { exchange },
    now: () => 1_000,
    random: () => 0.5,
    log: { info: () => undefined, warn: () => undefined },
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
    const minting = requester.request(integrationWith(grant), signer, charge)
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
    const minting = requester.request(integrationWith(grant), signer, charge)
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
  await requester.request(integrationWith(grant), signer, async () => {
    await eventually(() => made.length === 1)
    t.same(sent, [])
  })
  t.same(sent, ['request'])
})

t.test('whoever may not log in is told so, whatever else is wrong', async (t) => {
  const { requester } = requesterOf()
  const charge = async () => {
    await new Promise(setImmediate)
    throw new BrokerError('login_budget_exhausted', 'empty')
  }
  const { grant } = GRANTS.client_credentials ?? { grant: {} }
  const unfit: Signer = { clientId: 'app', credential: { type: 'none' } }
  await t.rejects(requester.request(integrationWith(grant), unfit, charge), {
    code: 'login_budget_exhausted',
  })
})

t.test('Salesforce has its time from when the login is allowed', async (t) => {
  const { requester, sent } = requesterOf()
  const { grant, signer } = GRANTS.client_credentials ?? {}
  if (!grant || !signer) throw new Error('It is listed')
  const late: (() => void)[] = []
  t.intercept(globalThis, 'setTimeout', { value: (end: () => void) => late.push(end) })
  await requester.request(integrationWith(grant), signer, async () => {
    await new Promise(setImmediate)
    for (const end of late.splice(0)) end()
  })
  t.same(sent, ['request'])
})
