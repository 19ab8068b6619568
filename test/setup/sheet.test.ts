import t from 'tap'
import { blueprintOf } from '../../src/setup/blueprint.ts'
import { markdownOf } from '../../src/setup/markdown.ts'
import { sheetOf } from '../../src/setup/sheet.ts'
import { credential, GRANTS, integration } from './fixture.ts'

type Changes = Parameters<typeof integration>[0]

const sheetFor = (changes: Changes, publicUrl?: string) =>
  sheetOf(blueprintOf(integration(changes), { publicUrl, owner: undefined }))

/** Values by field. */
const valuesOf = (changes: Changes) => {
  const fields = sheetFor(changes).steps.flatMap((step) => step.fields)
  return {
    of: (name: RegExp) => fields.filter(({ field }) => name.test(field)).map(({ value }) => value),
    where: (name: RegExp) => fields.filter(({ field }) => name.test(field)),
  }
}

t.test('JWT bearer: the sheet has each field that matters, with its value', async (t) => {
  const { of } = valuesOf({ grant: GRANTS.jwt_bearer, credentials: [credential('k1', 'active')] })
  t.strictSame(of(/^OAuth Scopes$/), [
    'Manage user data via APIs (api)',
    'Perform requests at any time (refresh_token, offline_access)',
  ])
  t.strictSame(of(/^Enable JWT Bearer Flow$/), ['on'])
  t.strictSame(of(/Client Credentials Flow|Run As/), [])
  t.strictSame(of(/^Upload Certificate/).length, 1)
  t.strictSame(of(/^Username$/), ['billing@acme.com'])
  t.strictSame(of(/^Permitted Users$/), ['Admin approved users are pre-authorized'])
  t.strictSame(of(/^IP Relaxation$/), ['Relax IP restrictions'])
  t.strictSame(of(/certificate$/), ['save it as a file'])
  t.match(of(/^Session Timeout$/)[0], /^15 minutes/)
  t.match(of(/^PATCH/)[0], /client_id/)
})

t.test('client credentials: run-as user, both switches, PKCE off, and only api', async (t) => {
  const { of } = valuesOf({ grant: GRANTS.client_credentials })
  t.strictSame(of(/^OAuth Scopes$/), ['Manage user data via APIs (api)'])
  t.strictSame(of(/^Enable Client Credentials Flow$/), ['on', 'on'])
  t.strictSame(of(/Proof Key/), ['off'])
  t.strictSame(of(/^Run As/).length, 1)
  t.strictSame(of(/Certificate|certificate/), [])
  t.match(of(/^PATCH/)[0], /client_secret/)
})

t.test('a client assertion takes the certificate as well', async (t) => {
  const { of } = valuesOf({ grant: GRANTS.private_key_jwt })
  t.equal(of(/^Upload Certificate/).length, 1)
  t.equal(of(/^Run As/).length, 1)
  t.notMatch(of(/^PATCH/).at(-1), /client_secret/)
})

t.test('it says what is missing, in the order in which it can be had', async (t) => {
  const missing = (changes: Changes) => sheetFor(changes).missing
  const key = [credential('k1', 'active')]
  const withId = { ...GRANTS.jwt_bearer, clientId: '3MVG9' }
  t.strictSame(missing({ grant: GRANTS.jwt_bearer }), ['credential', 'client_id'])
  t.strictSame(missing({ grant: GRANTS.client_credentials }), ['client_id', 'credential'])
  t.strictSame(missing({ grant: GRANTS.jwt_bearer, credentials: key }), ['client_id'])
  t.strictSame(missing({ grant: withId, credentials: key }), [])
})

t.test('the traps are those of the grant', async (t) => {
  const trapsOf = (changes: Changes) => sheetFor(changes).traps.map(({ trap }) => trap)
  const common = ['connected_apps_closed', 'token_is_shared', 'key_behind_a_code']
  const jwt = trapsOf({ grant: GRANTS.jwt_bearer })
  const clientCredentials = trapsOf({ grant: GRANTS.client_credentials })
  for (const trap of common) t.ok(jwt.includes(trap) && clientCredentials.includes(trap), trap)
  for (const trap of ['file_input_clears', 'one_certificate_an_app', 'audience_is_not_my_domain']) {
    t.ok(jwt.includes(trap) && !clientCredentials.includes(trap), trap)
  }
  for (const trap of ['my_domain_only', 'pkce_breaks_it', 'scopes_are_dropped']) {
    t.ok(!jwt.includes(trap) && clientCredentials.includes(trap), trap)
  }
})

t.test('Markdown has every field, value and trap of the sheet', async (t) => {
  for (const grant of Object.values(GRANTS)) {
    const sheet = sheetFor({ grant, credentials: [credential('k1', 'staged')] })
    const text = markdownOf(sheet)
    for (const { title, fields } of sheet.steps) {
      t.ok(text.includes(title), title)
      for (const { field, value } of fields) t.ok(text.includes(`| ${field} | ${value} |`), field)
    }
    for (const { trap, detail } of sheet.traps) t.ok(text.includes(detail), trap)
    t.match(text, /2 to 10 minutes/)
  }
})

t.test('what an operator wrote breaks out of no cell', async (t) => {
  const grant = { ...GRANTS.jwt_bearer, username: 'a|<b>\\@acme.com' }
  const text = markdownOf(sheetFor({ grant }))
  t.ok(text.includes('| Username | a\\|&lt;b>\\\\@acme.com |'))
})

t.test('refresh token: PKCE, rotation, and where the browser comes back to', async (t) => {
  const grant = { type: 'refresh_token', clientId: '3MVG9' }
  const fieldsFor = (publicUrl?: string) =>
    sheetFor({ grant }, publicUrl).steps.flatMap((step) => step.fields)
  const find = (name: RegExp, publicUrl?: string) =>
    fieldsFor(publicUrl).find(({ field }) => name.test(field))
  t.match(find(/^Callback URL$/, 'https://valetkey.example'), {
    value: 'https://valetkey.example/oauth/callback',
    why: /exactly this/,
  })
  t.match(find(/^Callback URL$/), { why: /VALETKEY_PUBLIC_URL/ })
  t.match(find(/^Require Proof Key/), { value: 'on' })
  t.match(find(/^Enable Refresh Token Rotation$/), { value: 'on' })
  t.match(find(/^POST .*connections$/), { value: '{"flow": "authorization_code"}' })
})

t.test('the sheet has the smallest user and its permission set', async (t) => {
  const jwt = valuesOf({ grant: GRANTS.jwt_bearer })
  t.strictSame(jwt.of(/^User License$/), ['Salesforce Integration'])
  t.strictSame(jwt.of(/^Profile$/), ['Minimum Access - API Only Integrations'])
  t.strictSame(jwt.of(/^API (?:Enabled|Only User)$/), ['on', 'on'])
  t.strictSame(jwt.of(/^Add Assignment$/), ['billing@acme.com'])
  t.match(jwt.of(/^Select Profiles/)[0], /^Valetkey_billing/)
  const approved = valuesOf({ grant: GRANTS.refresh_token })
  t.strictSame(approved.of(/^API (?:Enabled|Only User)$/), ['on'])
  t.strictSame(approved.of(/^Profile$/), [])
  for (const grant of Object.values(GRANTS)) {
    t.ok(sheetFor({ grant }).traps.some(({ trap }) => trap === 'sessions_locked_to_ip'))
  }
})

t.test('the sheet knows what apps have since Summer 26', async (t) => {
  const egressAddresses = [{ first: '203.0.113.7', last: '203.0.113.9' }]
  const securityOf = (changes: Parameters<typeof integration>[0], known = egressAddresses) =>
    sheetOf(
      blueprintOf(integration(changes), {
        publicUrl: undefined,
        owner: undefined,
        egressAddresses: known,
      }),
    )
      .steps.flatMap(({ fields }) => fields)
      .filter(({ section }) => section === 'Security')
      .map(({ field, value }) => `${field}: ${value}`)
  const refreshing = securityOf({ grant: GRANTS.refresh_token })
  for (const line of [
    'Require DPoP: off',
    'Enable Refresh Token Rotation: on',
    'Limit the idle refresh token TTL (30 days): on',
    'Enforce Refresh Token IP Allowlist: on',
    'Refresh Token IP Allowlist: 203.0.113.7 to 203.0.113.9',
  ]) {
    t.ok(refreshing.includes(line), line)
  }
  const seldom = securityOf({ grant: GRANTS.refresh_token, refreshTokenIdleDays: 90 }, [])
  t.ok(seldom.includes('Limit the idle refresh token TTL (30 days): off'))
  t.ok(seldom.includes('Enforce Refresh Token IP Allowlist: off'))
  t.notMatch(securityOf({}).join(), /Allowlist|TTL/, 'without refresh tokens there is no list')
  t.match(securityOf({ grant: GRANTS.private_key_jwt }).join(), 'Client Assertion Certificate')
})
