import fc from 'fast-check'
import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { likelyLoginUrl } from '../../../src/http/outbound/likely-login-url.ts'
import { createHostRules } from '../../../src/http/outbound/login-host.ts'

const rules = createHostRules([])

/** What is copied from an address bar or a document, and the login URL of that org. */
const MEANT: readonly (readonly [given: string, meant: string])[] = [
  // Lightning
  ['https://acme.lightning.force.com', 'https://acme.my.salesforce.com'],
  ['https://acme.lightning.force.com/lightning/page/home', 'https://acme.my.salesforce.com'],
  [
    'https://acme--uat.sandbox.lightning.force.com/lightning/o/Account/list?filterName=Recent',
    'https://acme--uat.sandbox.my.salesforce.com',
  ],
  ['https://acme--uat.lightning.force.com', 'https://acme--uat.sandbox.my.salesforce.com'],
  [
    'https://page-fun-1234-dev-ed.scratch.lightning.force.com/',
    'https://page-fun-1234-dev-ed.scratch.my.salesforce.com',
  ],
  [
    'https://orgfarm-1a2b-dev-ed.develop.lightning.force.com',
    'https://orgfarm-1a2b-dev-ed.develop.my.salesforce.com',
  ],
  [
    'https://playful-koala-dev-ed.trailblaze.lightning.force.com',
    'https://playful-koala-dev-ed.trailblaze.my.salesforce.com',
  ],
  // Setup
  [
    'https://acme.my.salesforce-setup.com/lightning/setup/SetupOneHome/home',
    'https://acme.my.salesforce.com',
  ],
  [
    'https://acme--uat.sandbox.my.salesforce-setup.com/lightning/setup/ManageUsers/home',
    'https://acme--uat.sandbox.my.salesforce.com',
  ],
  ['https://acme.scratch.my.salesforce-setup.com', 'https://acme.scratch.my.salesforce.com'],
  // Visualforce
  ['https://acme--c.vf.force.com/apex/Invoice', 'https://acme.my.salesforce.com'],
  ['https://acme--uat--c.sandbox.vf.force.com', 'https://acme--uat.sandbox.my.salesforce.com'],
  ['https://acme--pkg.scratch.vf.force.com', 'https://acme.scratch.my.salesforce.com'],
  ['https://acme--c.visualforce.com/apex/Invoice', 'https://acme.my.salesforce.com'],
  ['https://acme--c.na45.visual.force.com', 'https://acme.my.salesforce.com'],
  ['https://acme--uat--c.cs12.visual.force.com', 'https://acme--uat.sandbox.my.salesforce.com'],
  // content
  ['https://acme.file.force.com/sfc/servlet.shepherd', 'https://acme.my.salesforce.com'],
  ['https://acme--uat.sandbox.file.force.com', 'https://acme--uat.sandbox.my.salesforce.com'],
  ['https://acme.scratch.file.force.com', 'https://acme.scratch.my.salesforce.com'],
  ['https://acme--c.documentforce.com', 'https://acme.my.salesforce.com'],
  ['https://acme--c.eu5.content.force.com', 'https://acme.my.salesforce.com'],
  ['https://acme.builder.salesforce-experience.com', 'https://acme.my.salesforce.com'],
  // endpoints and pages of a login host
  ['https://acme.my.salesforce.com/services/oauth2/token', 'https://acme.my.salesforce.com'],
  [
    'https://acme--uat.sandbox.my.salesforce.com/services/oauth2/authorize?response_type=code',
    'https://acme--uat.sandbox.my.salesforce.com',
  ],
  ['https://login.salesforce.com/services/oauth2/token', 'https://login.salesforce.com'],
  ['https://test.salesforce.com/services/oauth2/token/', 'https://test.salesforce.com'],
  ['https://acme.my.salesforce.com/home/home.jsp', 'https://acme.my.salesforce.com'],
  ['https://acme.my.salesforce.com/?ec=302&startURL=%2F', 'https://acme.my.salesforce.com'],
  ['https://acme.my.salesforce.com/services/data/v60.0', 'https://acme.my.salesforce.com'],
  [
    'https://acme.my.site.com/customers/services/oauth2/token',
    'https://acme.my.site.com/customers',
  ],
  ['https://acme.my.site.com/customers/s/login?x=1', 'https://acme.my.site.com/customers'],
  // written otherwise
  ['acme.my.salesforce.com', 'https://acme.my.salesforce.com'],
  ['http://acme.my.salesforce.com', 'https://acme.my.salesforce.com'],
  ['https://acme.my.salesforce.com:443', 'https://acme.my.salesforce.com'],
  [' https://acme.my.salesforce.com ', 'https://acme.my.salesforce.com'],
  ['"https://acme.my.salesforce.com"', 'https://acme.my.salesforce.com'],
  ['acme.lightning.force.com', 'https://acme.my.salesforce.com'],
  ['https://acme.my.salesforce.com./', 'https://acme.my.salesforce.com'],
  // the government's
  ['https://acme.lightning.crmforce.mil', 'https://acme.my.salesforce.mil'],
  ['https://acme--c.vf.crmforce.mil', 'https://acme.my.salesforce.mil'],
]

const problemOf = (text: string): BrokerError | undefined => {
  try {
    rules.checkLoginUrl(text)
    return undefined
  } catch (error) {
    if (error instanceof BrokerError) return error
    throw error
  }
}

t.test('another address of an org is answered with its login URL', async (t) => {
  for (const [given, meant] of MEANT) {
    const problem = problemOf(given)
    t.equal(problem?.code, 'request_invalid', given)
    t.ok(problem?.detail.endsWith(`it probably means ${meant}`), `${given}: ${problem?.detail}`)
    t.ok(problem?.remedy?.startsWith(`Set login_url to ${meant},`), given)
    t.equal(rules.checkLoginUrl(meant), meant)
  }
})

t.test('nothing is guessed where nothing is likely', async (t) => {
  for (const given of [
    '',
    'https://evil.example',
    'https://evil.example/.my.salesforce.com',
    'https://login.salesforce.com@evil.example',
    'https://user:secret@acme.my.salesforce.com',
    'https://na45.salesforce.com',
    'https://c.na45.visual.force.com',
    'https://lightning.force.com',
    'https://acme.lightning.force.com.evil.example',
    'https://acme.my.salesforce.com\\.evil.example',
    'https://127.0.0.1',
    'ftp://acme.my.salesforce.com',
  ]) {
    const problem = problemOf(given)
    t.ok(problem, given)
    t.notMatch(problem?.detail, 'probably', given)
    t.match(problem?.remedy, /Setup → My Domain/, given)
  }
})

t.test('a guess is always a login URL of Salesforce', async (t) => {
  const host = fc.oneof(
    fc.domain(),
    ...MEANT.map(([given]) => fc.constant(given)),
    fc
      .tuple(fc.stringMatching(/^[a-z0-9-]{0,12}$/), fc.constantFrom(...MEANT.map(([one]) => one)))
      .map(([start, rest]) => rest.replace('acme', start)),
    fc.string({ unit: 'binary' }),
  )
  const property = fc.property(host, (text) => {
    const problem = problemOf(text)
    const meant = /probably means (\S+)$/.exec(problem?.detail ?? '')?.[1]
    return meant === undefined || rules.isSalesforceOwn(new URL(meant).hostname)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2_000 }))
  const total = fc.property(fc.string({ unit: 'binary' }), (text) => {
    likelyLoginUrl(text)
    return true
  })
  t.doesNotThrow(() => fc.assert(total, { numRuns: 1_000 }))
})
