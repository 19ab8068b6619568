import t from 'tap'
import { ConfigError } from '../../src/config/config-error.ts'
import { parseConfigurationFile } from '../../src/config/file.ts'

const mistakesOf = (text: string): readonly string[] => {
  try {
    parseConfigurationFile(text)
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes
    throw error
  }
  return []
}

t.test('a whole file is read into what the service knows', async (t) => {
  const content = parseConfigurationFile(`
issuers:
  - issuer: https://issuer.example
    audience: valetkey
    jwks_uri: https://issuer.example/keys
callers:
  - name: billing
    match: { issuer: https://issuer.example, subject: "system:serviceaccount:billing:*", claims: { my_team: x } }
    permissions: [tokens:read]
    integrations: ["billing", "billing-*"]
    labels: { environment: production }
integrations:
  billing:
    login_url: https://acme.my.salesforce.com
    grant: { type: jwt_bearer, client_id: 3MVG9, username: billing@acme.com }
    credential: { private_key_file: /run/billing.key, certificate_file: /run/billing.crt }
prune: true
`)
  t.match(content.issuers, [
    { issuer: 'https://issuer.example', jwksUri: 'https://issuer.example/keys' },
  ])
  t.match(content.callers, [{ name: 'billing', match: { claims: { my_team: 'x' } } }])
  t.match(content.integrations, [
    {
      name: 'billing',
      mistakes: [],
      files: { privateKeyFile: '/run/billing.key', certificateFile: '/run/billing.crt' },
      input: { loginUrl: 'https://acme.my.salesforce.com', grant: { clientId: '3MVG9' } },
    },
  ])
  t.ok(content.prune)
})

t.test('an empty file declares nothing', async (t) => {
  t.same(parseConfigurationFile(''), { issuers: [], callers: [], integrations: [], prune: false })
})

t.test('every mistake is reported at once, each with its line', async (t) => {
  const mistakes = mistakesOf(`issuers:
  - issuer: https://issuer.example
    audience: valetkey
    surprise: 1
callers:
  - name: BAD NAME
    match: {}
    permissions: [tokens:write]
typo: true
`)
  t.match(mistakes.join('\n'), /line 4: issuers\.0\.surprise/)
  t.match(mistakes.join('\n'), /line 6: callers\.0\.name/)
  t.match(mistakes.join('\n'), /line 7: callers\.0\.match/)
  t.match(mistakes.join('\n'), /line 8: callers\.0\.permissions\.0 .*tokens:read/)
  t.match(mistakes.join('\n'), /line 9: typo/)
  t.equal(mistakes.length, 5)
})

t.test('what does not go together is a mistake too', async (t) => {
  const mistakes = mistakesOf(`issuers:
  - { issuer: "http://issuer.example", audience: x }
  - { issuer: "https://a.example", audience: x }
  - { issuer: "https://a.example", audience: y }
callers:
  - { name: a, match: { issuer: "https://other.example" }, permissions: [audit:read] }
  - { name: a, match: { certificate: "spiffe://x" }, permissions: [tokens:read] }
  - { name: b, match: { subject: x }, permissions: [audit:read] }
  - name: c
    match: { certificate: "spiffe://c" }
    permissions: [audit:read]
    networks: ["10.0.0.0/8", "10.0.0.0/33"]
`)
  t.same(mistakes, [
    'line 2: issuers.0.issuer must be an https URL (http on loopback only)',
    'line 4: issuers.2 occurs twice',
    'line 6: callers.0.match.issuer is not one of the issuers',
    'line 7: callers.1 names no integrations for its permissions',
    'line 7: callers.1 has the name of another caller',
    'line 8: callers.2.match must have either issuer or certificate',
    'line 12: callers.3.networks.1 is no IP address and no CIDR such as 10.0.0.0/8',
  ])
})

t.test('bad syntax and a member that is there twice name their lines', async (t) => {
  t.match(mistakesOf('issuers: [\n  - x\n').join(), /line \d+: is not valid YAML/)
  t.match(mistakesOf('prune: true\nprune: false\n').join(), /line 2: is not valid YAML/)
  const glob = 'callers:\n  - name: a\n    integrations: [*-prod]\n'
  t.same(mistakesOf(glob), ['line 3: a value that begins with * must be quoted'])
  const many = `a: &a [x]\nb: &b [${'*a,'.repeat(20)}]\nc: &c [${'*b,'.repeat(20)}]\nd: [*c,*c]\n`
  t.same(mistakesOf(many), ['has too many aliases'])
})

t.test('nothing of the file is shown by a warning', async (t) => {
  const warnings: Error[] = []
  const keep = (warning: Error) => warnings.push(warning)
  process.on('warning', keep)
  t.teardown(() => process.off('warning', keep))
  t.match(mistakesOf('? { hunter2: 1 }\n: !hunter2 2\n'), [/line 1/])
  await new Promise(setImmediate)
  t.same(warnings, [])
})

t.test('the file makes no new version of a key, because it is applied at each start', async (t) => {
  const { integrations } = parseConfigurationFile(`integrations:
  a:
    login_url: https://acme.my.salesforce.com
    grant: { type: jwt_bearer, client_id: x, username: a@b.c }
    credential:
      signer: { name: vault, key: k }
      generate: { new_version: true }
`)
  t.match(
    integrations[0]?.mistakes.join(),
    /line 7: integrations\.a\.credential\.generate\.new_version/,
  )
})

t.test('a bad integration carries its mistakes, and does not spoil the others', async (t) => {
  const { integrations } = parseConfigurationFile(`integrations:
  good:
    login_url: https://acme.my.salesforce.com
    grant: { type: client_credentials, client_id: x }
    credential: { client_secret_file: /run/secret }
  bad:
    login_url: https://acme.my.salesforce.com
    grant: { type: client_credentials, client_id: x }
    credential: { client_secret: in-the-file }
    token_lifetime: 5
`)
  t.same(
    integrations.map(({ name, mistakes }) => [name, mistakes.length]),
    [
      ['good', 0],
      ['bad', 2],
    ],
  )
  t.match(integrations[1]?.mistakes.join(), /line 9: integrations\.bad\.credential\.client_secret/)
  t.match(integrations[1]?.mistakes.join(), /line 10: integrations\.bad\.token_lifetime/)
  t.notMatch(integrations[1]?.mistakes.join(), 'in-the-file')
})
