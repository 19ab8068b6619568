import t from 'tap'
import type { Permission, Principal } from '../../../src/callers/policy.ts'
import { definitionOf } from '../../../src/integrations/composition.ts'
import type { Integration } from '../../../src/integrations/integration.ts'
import {
  checkTokenSource,
  requireExchange,
} from '../../../src/integrations/references/token-source.ts'
import { integrationOf } from '../../support/integrations.ts'

const exchanging = (subjectToken: object, loginUrl = 'https://acme.my.salesforce.com') =>
  integrationOf({
    ...{ name: 'partner', loginUrl },
    grant: { type: 'token_exchange', clientId: '3MVG9', subjectToken },
  })

const read = async (name: string) =>
  integrationOf({
    ...{ name, exchangeLoginUrls: ['https://other.my.salesforce.com'] },
    grant: { type: 'client_credentials', clientId: '3MVG8' },
  })

const principal = (...permissions: readonly Permission[]): Principal => ({
  ...{ id: 'api-key:maker', kind: 'api_key', name: 'maker' },
  permits: permissions.map((permission) => ({ permission, integrations: ['*'], labels: {} })),
})

const outcome = (definition: Integration, current: Integration, by: Principal) =>
  checkTokenSource({ name: 'partner', definition, current, principal: by, read }).then(
    () => 'allowed',
    (error: { code: string }) => error.code,
  )

t.test('the token of another goes to no other host by who may not read it', async (t) => {
  const current = exchanging({ integration: 'crm' })
  const moved = exchanging({ integration: 'crm' }, 'https://other.my.salesforce.com')
  const writer = principal('integrations:write')
  t.equal(await outcome(current, current, writer), 'allowed', 'what is there may stay')
  t.equal(await outcome(moved, current, writer), 'caller_forbidden')
  t.equal(await outcome(moved, current, principal('tokens:read')), 'allowed')
  const foreign = exchanging({ integration: 'crm' }, 'https://foreign.my.salesforce.com')
  t.equal(
    await outcome(foreign, current, principal('tokens:read')),
    'caller_forbidden',
    'nor where its owner lets it not be exchanged',
  )
})

t.test('what a former release let be goes on, and nothing new does', async (t) => {
  const { exchangeLoginUrls: _, ...former } = await read('crm')
  const elsewhere = 'https://elsewhere.my.salesforce.com'
  t.doesNotThrow(() => requireExchange(former, elsewhere))
  t.throws(() => requireExchange({ ...former, exchangeLoginUrls: [] }, elsewhere))
  t.throws(() => requireExchange({ ...former, serveTokens: false }, undefined))
  const fresh = exchanging({ integration: 'crm' }, elsewhere)
  const check = { name: 'partner', definition: fresh, current: undefined, read: async () => former }
  await t.rejects(checkTokenSource({ ...check, principal: principal('tokens:read') }), {
    code: 'caller_forbidden',
  })
  const input = { ...former, credential: {} }
  const hosts = { checkLoginUrl: (url: string) => url }
  t.equal(definitionOf(input, hosts, former).exchangeLoginUrls, undefined)
  t.same(definitionOf(input, hosts, undefined).exchangeLoginUrls, [])
})

t.test('another grant sends the token of the same source elsewhere', async (t) => {
  const foreign = 'https://foreign.my.salesforce.com'
  const atInstance = integrationOf({
    ...{ name: 'partner', loginUrl: foreign },
    grant: { type: 'data_cloud', integration: 'crm' },
  })
  const atLogin = exchanging({ integration: 'crm' }, foreign)
  t.equal(await outcome(atInstance, atInstance, principal('integrations:write')), 'allowed')
  for (const by of [principal('integrations:write'), principal('tokens:read')]) {
    t.equal(await outcome(atLogin, atInstance, by), 'caller_forbidden')
  }
  t.equal(await outcome(atInstance, atLogin, principal('integrations:write')), 'caller_forbidden')
  t.equal(await outcome(atInstance, atLogin, principal('tokens:read')), 'allowed')
})

t.test('the token of a file goes to the host alone that the file named', async (t) => {
  const current = exchanging({ file: '/run/secrets/token' })
  const moved = exchanging({ file: '/run/secrets/token' }, 'https://other.my.salesforce.com')
  const by = principal('integrations:write', 'tokens:read')
  t.equal(await outcome(current, current, by), 'allowed')
  t.equal(await outcome(moved, current, by), 'request_invalid')
})
