/** Families begin and end whole, also where the store is away in the middle. */
import t from 'tap'
import { refreshTokenIdOf } from '../../src/credentials/credential.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { createCustody } from '../../src/custody/custody.ts'
import { createCustodyStore } from '../../src/custody/custody-store.ts'
import { createExchange } from '../../src/custody/exchange.ts'
import { createRotatedTokens } from '../../src/custody/rotated-tokens.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { Custodies } from '../../src/store/custody.ts'
import { createModelCustodies } from '../support/custody-model.ts'

const TARGET = { name: 'crm', uid: 'u1', loginUrl: 'https://acme.my.salesforce.com' }
const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined }

const away = () => new BrokerError('store_unavailable', 'It is away')

const grantee = (token: string) => ({ refreshToken: new Secret(token), clientId: '3MVG9' })

function world() {
  let ids = 0
  /** How often each of these fails before it works. */
  const fails = { acknowledge: 0, drop: 0, endToken: 0, open: 0 }
  const failing = (what: keyof typeof fails) => {
    fails[what] -= 1
    return fails[what] >= 0
  }
  const model = createModelCustodies(() => 1_000)
  const custodies: Custodies = {
    ...model,
    read: (name) => model.read(name),
    async begin(name, beginning) {
      const result = await model.begin(name, beginning)
      if (failing('acknowledge')) throw away()
      return result
    },
  }
  const store = createCustodyStore({
    custody: custodies,
    keyring: {
      seal: async (_record: string, text: string) => text,
      async open(_record: string, text: string) {
        if (failing('open')) throw new BrokerError('record_corrupt', 'No key opens it')
        return text
      },
    },
  })
  const did: string[] = []
  const endToken = async (_loginUrl: string, { token }: { readonly token: Secret }) => {
    if (failing('endToken')) throw away()
    did.push(`ended ${token.reveal()}`)
    return undefined
  }
  const custody = createCustody({
    ...{ store, custody: custodies },
    runtime: { uniqueId: () => `id-${++ids}`, sleep: async () => undefined },
    async dropLease() {
      if (failing('drop')) throw away()
      did.push('dropped')
    },
    forgetRefusal: async () => undefined,
    endToken,
    ...{ audit: { background: () => undefined }, log: QUIET },
  })
  const current = () => {
    const text = model.records.get('crm')?.token ?? ''
    return text === '' ? undefined : JSON.parse(text).refreshToken
  }
  return { custody, store, endToken, fails, did, current }
}

t.test('a beginning that was not acknowledged has happened', async (t) => {
  const { custody, fails, did, current } = world()
  await custody.begin(TARGET, grantee('first'))
  Object.assign(fails, { acknowledge: 1, drop: 2, endToken: 1 })
  t.equal(await custody.begin(TARGET, grantee('second')), 'begun')
  t.equal(current(), 'second')
  await new Promise(setImmediate)
  t.strictSame(did, ['dropped', 'ended first'])
})

t.test('nobody is told to give back what is in use', async (t) => {
  const { custody, fails, current } = world()
  await custody.begin(TARGET, grantee('first'))
  fails.drop = Number.POSITIVE_INFINITY
  t.equal(await custody.begin(TARGET, grantee('second')), 'begun')
  t.equal(current(), 'second')
})

t.test('an end that was not acknowledged is brought to its end', async (t) => {
  const { custody, fails, did, current } = world()
  await custody.begin(TARGET, grantee('first'))
  Object.assign(fails, { acknowledge: 1, drop: 1, endToken: 1 })
  t.strictSame(await custody.end(TARGET), { hadToken: true })
  t.equal(current(), undefined)
  t.strictSame(did, ['dropped', 'ended first'])
})

t.test('a former refresh token that no key opens keeps nobody from another', async (t) => {
  const { custody, fails, current } = world()
  await custody.begin(TARGET, grantee('first'))
  fails.open = Number.POSITIVE_INFINITY
  t.equal(await custody.begin(TARGET, grantee('second')), 'begun')
  t.equal(current(), 'second')
  t.strictSame(await custody.end(TARGET), { hadToken: true })
})

t.test('a used credential does not come back after many connections', async (t) => {
  const { custody, current } = world()
  t.equal(await custody.adopt(TARGET, grantee('of the credential')), true)
  for (let count = 0; count < 60; count += 1) await custody.begin(TARGET, grantee(`token ${count}`))
  const { refreshToken } = grantee('of the credential')
  t.equal(await custody.hasSeen(TARGET, refreshTokenIdOf(refreshToken)), true)
  t.equal(await custody.adopt(TARGET, grantee('of the credential')), false)
  t.equal(current(), 'token 59')
})

t.test(
  'what an answer brought that is no good otherwise is given back, once it ended',
  async (t) => {
    const { custody, store, did, endToken } = world()
    await custody.begin(TARGET, grantee('first'))
    const exchange = createExchange({
      ...{ store, endToken, onRewound: async () => undefined },
      intents: {
        ...{ note: async () => 'id', takeBack: async () => undefined },
        ...{ stop: () => undefined, checkRunning: () => undefined },
      },
      rotated: createRotatedTokens({
        ...{ store, runtime: { sleep: async () => undefined }, log: QUIET },
      }),
      resolver: { of: async () => 'go', lose: async () => true },
    })
    const used = exchange.exchange(TARGET, '3MVG9', {
      async present(_token, { onRenewed }) {
        onRenewed(new Secret('late'))
        await custody.end(TARGET)
        throw new BrokerError('token_response_invalid', 'It is no good')
      },
      introspect: () => Promise.reject(new Error('Nobody asks')),
    })
    await t.rejects(used, { code: 'token_response_invalid' })
    t.strictSame(did, ['dropped', 'ended first', 'ended late'])
  },
)
