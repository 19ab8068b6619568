import t from 'tap'
import {
  brokenRule,
  checkClientId,
  checkDefinition,
} from '../../src/integrations/definition-rules.ts'

const LOGIN = 'https://login.salesforce.com'
const ACME = 'https://acme.my.salesforce.com'
const secret = (clientId?: string) => ({
  type: 'client_credentials' as const,
  ...(clientId !== undefined && { clientId }),
})
const jwt = { type: 'jwt_bearer' as const, clientId: '3MVG9.acme', username: 'billing@acme.com' }

t.test('what stands there already stays, whatever else is changed', async (t) => {
  const old = { loginUrl: LOGIN, grant: secret('undefined') }
  t.equal(brokenRule(old, old), undefined)
  const deployed = { ...old, certificateDeployment: { through: 'deployer', app: 'Billing' } }
  t.equal(brokenRule(deployed, old), undefined)
  t.match(brokenRule({ ...old, grant: secret('null') }, old)?.detail, /client_id/)
  t.match(
    brokenRule({ loginUrl: LOGIN, grant: secret('3MVG9.acme') }, { loginUrl: ACME, grant: jwt }),
    {
      detail: /use your My Domain/,
    },
  )
  t.match(brokenRule({ loginUrl: LOGIN, grant: secret() }, { loginUrl: ACME, grant: secret() }), {
    detail: /use your My Domain/,
  })
})

t.test('a value of something else, or in quotation marks, is no value', async (t) => {
  const detailOf = (grant: object) =>
    brokenRule({ loginUrl: ACME, grant: { ...jwt, ...grant } })?.detail
  for (const clientId of ['true', 'false', '0', '1', '"true"', '"3MVG9.acme"', "'3MVG9.acme'"]) {
    t.match(
      detailOf({ clientId }),
      /^body\/grant\/client_id is (?:a placeholder|in quot)/,
      clientId,
    )
  }
  t.match(detailOf({ username: '"billing@acme.com"' }), /^body\/grant\/username is in quotation/)
  t.equal(detailOf({ username: '1@acme.com' }), undefined)
  t.throws(() => checkClientId('"3MVG9.acme"', 'body/client_id'), {
    message: /body\/client_id is in quotation marks$/,
  })
})

t.test('what is new is judged, also of a draft', async (t) => {
  t.throws(() => checkDefinition({ loginUrl: LOGIN, grant: secret() }), { code: 'request_invalid' })
  t.equal(brokenRule({ loginUrl: ACME, grant: secret() }), undefined)
  t.equal(brokenRule({ loginUrl: LOGIN, grant: jwt }), undefined)
  t.equal(brokenRule({ loginUrl: 'http://127.0.0.1:1', grant: secret('3MVG9.acme') }), undefined)
  const exchange = { type: 'token_exchange' as const, subjectToken: { integration: 'none' } }
  t.equal(brokenRule({ loginUrl: ACME, grant: exchange }), undefined, 'a name is no placeholder')
  t.match(
    brokenRule({ loginUrl: ACME, grant: { ...exchange, ...{ tokenHandler: 'undefined' } } }),
    {
      detail: /^body\/grant\/token_handler/,
    },
  )
  t.match(
    brokenRule({
      loginUrl: ACME,
      grant: jwt,
      certificateDeployment: { through: 'deployer', app: 'undefined' },
    }),
    { detail: /^body\/deployment\/app/ },
  )
})

t.test('the audience has to be stated where nobody can tell it', async (t) => {
  const stated = { ...jwt, audience: 'https://shop.acme.com/customers' }
  const custom = 'https://shop.acme.com/customers'
  for (const loginUrl of [custom, 'https://shop.acme.com', 'https://acme.my.sfcrmproducts.cn']) {
    t.throws(() => checkDefinition({ loginUrl, grant: jwt }), {
      code: 'request_invalid',
      detail: /^body\/grant\/audience has to be stated/,
      remedy: /login_url/,
    })
    t.doesNotThrow(() => checkDefinition({ loginUrl, grant: stated }))
    t.doesNotThrow(() => checkDefinition({ loginUrl, grant: secret('3MVG9.acme') }))
  }
  for (const loginUrl of [
    ...[ACME, LOGIN, 'https://test.salesforce.com', 'https://acme.my.site.com/customers'],
    ...['https://acme--uat.sandbox.my.salesforce.com', 'https://acme.my.salesforce.mil'],
    ...['http://127.0.0.1:1', 'http://localhost:1', 'http://[::1]:1'],
  ]) {
    t.doesNotThrow(() => checkDefinition({ loginUrl, grant: jwt }), loginUrl)
  }
  const old = { loginUrl: custom, grant: jwt }
  t.doesNotThrow(() => checkDefinition(old, old), 'what was written before stays')
  t.throws(() => checkDefinition(old, { ...old, grant: stated }), 'it cannot be taken away')
  t.throws(() => checkDefinition(old, { ...old, loginUrl: ACME }))
  t.equal(brokenRule(old), undefined, 'the doctor asks Salesforce instead')
})
