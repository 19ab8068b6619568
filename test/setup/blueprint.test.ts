import fc from 'fast-check'
import t from 'tap'
import { GRANTS as EVERY_GRANT } from '../../src/grants/index.ts'
import { blueprintOf } from '../../src/setup/blueprint.ts'
import { recipeOf } from '../../src/setup/recipe.ts'
import { credential, GRANTS, integration } from './fixture.ts'

const options = { publicUrl: undefined, owner: undefined }

t.test('every grant has a recipe, and an unknown one has none', async (t) => {
  for (const { type } of EVERY_GRANT) t.ok(recipeOf({ type }).scopes.length > 0, type)
  t.throws(() => recipeOf({ type: 'toString' }))
})

t.test('it works for a draft, before app and key exist', async (t) => {
  for (const grant of Object.values(GRANTS)) {
    const blueprint = blueprintOf(integration({ grant }), options)
    t.match(blueprint, { clientId: null, hasCredential: false })
  }
})

t.test('the staged certificate is the one to upload, then the active one', async (t) => {
  const retired = credential('old', 'retired')
  const active = credential('now', 'active')
  const staged = credential('next', 'staged')
  const bare = credential('bare', 'staged', { certificate: null })
  const pending = credential('asked', 'pending', { certificate: null })
  const uploadOf = (...credentials: (typeof active)[]) =>
    blueprintOf(integration({ credentials }), options).certificate?.credential?.id
  t.equal(uploadOf(retired, active, staged), 'next')
  t.equal(uploadOf(retired, active, pending), 'now')
  t.equal(uploadOf(active, bare), 'now')
  t.equal(uploadOf(pending), undefined)
})

t.test('the certificate is the one of the integration that it signs with', async (t) => {
  const follower = integration({ name: 'follower', credentialFrom: 'owner' })
  const owner = integration({ name: 'owner', credentials: [credential('shared', 'active')] })
  t.match(blueprintOf(follower, { ...options, owner }), {
    certificate: { holder: 'owner', credential: { id: 'shared' } },
    hasCredential: true,
  })
  t.match(blueprintOf(follower, { ...options, owner: null }), {
    certificate: { holder: 'owner', credential: null },
    hasCredential: true,
  })
})

t.test('a secret needs no certificate; a client assertion does', async (t) => {
  const of = (grant: (typeof GRANTS)[keyof typeof GRANTS]) =>
    blueprintOf(integration({ grant }), options)
  t.match(of(GRANTS.client_credentials), { certificate: null, provesBy: 'client_secret' })
  t.match(of(GRANTS.private_key_jwt), { certificate: {}, provesBy: 'certificate' })
})

t.test('the callback is ours where browsers reach us, else a page that does no harm', async (t) => {
  const callbackOf = (loginUrl: string, publicUrl?: string) =>
    blueprintOf(integration({ loginUrl }), { ...options, publicUrl }).callbackUrl
  t.equal(
    callbackOf('https://acme.my.salesforce.com', 'https://keys.acme.com'),
    'https://keys.acme.com/oauth/callback',
  )
  t.equal(
    callbackOf('https://acme.my.salesforce.com'),
    'https://login.salesforce.com/services/oauth2/success',
  )
  t.equal(
    callbackOf('https://acme--dev.sandbox.my.salesforce.com'),
    'https://test.salesforce.com/services/oauth2/success',
  )
})

t.test('the API name is one that Salesforce takes, and no two integrations share it', async (t) => {
  const part = fc.constantFrom('a', 'b', '-', '--', '0', 'long'.repeat(6))
  const name = fc
    .array(part, { minLength: 1, maxLength: 12 })
    .map((parts) => `a${parts.join('')}z`.slice(0, 64).replace(/-$/, 'z'))
  const apiNameOf = (text: string) => blueprintOf(integration({ name: text }), options).apiName
  fc.assert(
    fc.property(name, name, (one, other) => {
      const apiName = apiNameOf(one)
      const isGood = /^[A-Za-z](?:_?[A-Za-z0-9])*$/.test(apiName) && apiName.length <= 40
      return isGood && (one === other || apiName !== apiNameOf(other))
    }),
    { numRuns: 500 },
  )
  t.equal(apiNameOf('billing-eu'), 'Valetkey_billing_eu')
})
