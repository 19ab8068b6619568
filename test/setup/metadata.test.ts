import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { settingsNameOf } from '../../src/integrations/certificate-deployment.ts'
import { zipOf } from '../../src/setup/archive.ts'
import { blueprintOf } from '../../src/setup/blueprint.ts'
import type { MetadataChoices } from '../../src/setup/components.ts'
import { metadataOf } from '../../src/setup/metadata.ts'
import { hasCommand } from '../support/shell.ts'
import { credential, GRANTS, integration, PEM } from './fixture.ts'

const withoutPython = hasCommand('python3') ? {} : { skip: 'python3 is not on the PATH' }

const SECRET_MEMBERS = ['consumerKey', 'consumerSecret']

type Parsed = { readonly tag: string; readonly text: string; readonly children: readonly Parsed[] }

const PARSE = `
import json, sys, xml.etree.ElementTree as tree, zipfile
def of(element):
    return {'tag': element.tag, 'text': element.text or '', 'children': [of(one) for one in element]}
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    print(json.dumps({name: of(tree.fromstring(archive.read(name))) for name in archive.namelist()}))
`

const NAMESPACE = '{http://soap.sforce.com/2006/04/metadata}'

function deployment(
  t: { testdir(): string },
  changes: Parameters<typeof integration>[0],
  choices: MetadataChoices = {},
): Readonly<Record<string, Parsed>> {
  const blueprint = blueprintOf(integration(changes), { publicUrl: undefined, owner: undefined })
  const path = join(t.testdir(), 'app.zip')
  writeFileSync(path, zipOf(metadataOf(blueprint, choices)))
  return JSON.parse(execFileSync('python3', ['-c', PARSE, path], { encoding: 'utf8' }))
}

const nameOf = ({ tag }: Parsed) => tag.replace(NAMESPACE, '')

const membersOf = (root: Parsed | undefined) =>
  Object.fromEntries((root?.children ?? []).map((child) => [nameOf(child), child.text]))

const fileOf = (files: Readonly<Record<string, Parsed>>, suffix: string) =>
  membersOf(Object.entries(files).find(([path]) => path.endsWith(`.${suffix}`))?.[1])

t.test(
  'no file has a member twice or out of order, or one that is secret',
  withoutPython,
  async (t) => {
    for (const [name, grant] of Object.entries(GRANTS)) {
      const files = deployment(t, { grant, credentials: [credential('k1', 'active')] })
      t.equal(Object.keys(files).length, 7, name)
      for (const [path, { children }] of Object.entries(files)) {
        if (path === 'package.xml') continue
        const members = children.map(nameOf).filter((member) => member !== 'userPermissions')
        t.strictSame(members, [...new Set(members)].sort(), `${path} in the order of a retrieval`)
        t.notOk(members.some((member) => SECRET_MEMBERS.includes(member)))
      }
    }
  },
)

t.test('every file speaks of the same app', withoutPython, async (t) => {
  const files = deployment(t, { name: 'billing-eu' })
  for (const suffix of ['ecaOauth', 'ecaGlblOauth', 'ecaOauthPlcy', 'ecaPlcy']) {
    t.equal(fileOf(files, suffix).externalClientApplication, 'Valetkey_billing_eu', suffix)
  }
  t.ok(files['externalClientApps/Valetkey_billing_eu.eca'])
})

t.test('the certificate enables the JWT bearer flow, as PEM', withoutPython, async (t) => {
  const files = deployment(t, { credentials: [credential('k1', 'active')] })
  t.match(fileOf(files, 'ecaGlblOauth'), {
    certificate: PEM.trim(),
    isClientCredentialsFlowEnabled: 'false',
  })
  t.match(fileOf(files, 'ecaOauth'), { commaSeparatedOauthScopes: 'Api, RefreshToken' })
  t.match(fileOf(files, 'ecaOauthPlcy'), {
    permittedUsersPolicyType: 'AdminApprovedPreAuthorized',
    isClientCredentialsFlowEnabled: 'false',
  })
  t.equal(fileOf(files, 'eca').contactEmail, 'billing@acme.com')
  t.notOk('certificate' in fileOf(deployment(t, {}), 'ecaGlblOauth'), 'a draft has none')
})

t.test('client credentials are enabled twice, with a run-as user', withoutPython, async (t) => {
  const grant = GRANTS.client_credentials
  const files = deployment(t, { grant }, { runAs: 'run@acme.com', permissionSet: 'Billing' })
  t.match(fileOf(files, 'ecaGlblOauth'), {
    isClientCredentialsFlowEnabled: 'true',
    isPkceRequired: 'false',
  })
  t.match(fileOf(files, 'ecaOauthPlcy'), {
    isClientCredentialsFlowEnabled: 'true',
    clientCredentialsFlowUser: 'run@acme.com',
    commaSeparatedPermissionSet: 'Billing',
  })
  const { clientCredentialsFlowUser } = fileOf(deployment(t, { grant }), 'ecaOauthPlcy')
  t.match(clientCredentialsFlowUser, /^REPLACE-/)
})

t.test('what an operator names is text, and never markup', withoutPython, async (t) => {
  const profile = `A&B <c> "d" 'e' ]]> \u0001 é 🔑`
  const files = deployment(t, {}, { profile })
  t.equal(fileOf(files, 'ecaOauthPlcy').commaSeparatedProfile, profile.replace('\u0001', ''))
})

t.test('the same app is the same archive', async (t) => {
  const files = metadataOf(blueprintOf(integration(), { publicUrl: undefined, owner: undefined }))
  t.ok(zipOf(files).equals(zipOf({ ...files })))
})

t.test('the permission set has what the user needs, and nothing more', withoutPython, async (t) => {
  const permissionsOf = (files: Readonly<Record<string, Parsed>>) =>
    (files['permissionsets/Valetkey_billing.permissionset']?.children ?? [])
      .filter((child) => nameOf(child) === 'userPermissions')
      .map((child) => membersOf(child))
  const on = (name: string) => ({ enabled: 'true', name })
  for (const grant of [GRANTS.jwt_bearer, GRANTS.client_credentials]) {
    const files = deployment(t, { grant })
    t.strictSame(permissionsOf(files), [on('ApiEnabled'), on('ApiUserOnly')])
    t.equal(fileOf(files, 'ecaOauthPlcy').commaSeparatedPermissionSet, 'Valetkey_billing')
  }
  const approved = deployment(t, { grant: GRANTS.refresh_token })
  t.strictSame(permissionsOf(approved), [on('ApiEnabled')], 'who approves logs in in a browser')
  const chosen = deployment(t, {}, { permissionSet: 'Billing' })
  t.strictSame(permissionsOf(chosen), [])
  t.equal(fileOf(chosen, 'ecaOauthPlcy').commaSeparatedPermissionSet, 'Billing')
})

t.test('the parts are called as Setup calls them, and as a deployment expects', async (t) => {
  const files = metadataOf(blueprintOf(integration(), { publicUrl: undefined, owner: undefined }))
  const settings = settingsNameOf({ through: 'deployer', app: 'Valetkey_billing' })
  t.strictSame(Object.keys(files), [
    'externalClientApps/Valetkey_billing.eca',
    'extlClntAppOauthSettings/Valetkey_billing_oauth.ecaOauth',
    `extlClntAppGlobalOauthSets/${settings}.ecaGlblOauth`,
    'extlClntAppOauthPolicies/Valetkey_billing_oauth_defaultPolicy.ecaOauthPlcy',
    'extlClntAppPolicies/Valetkey_billing_defaultPolicy.ecaPlcy',
    'permissionsets/Valetkey_billing.permissionset',
    'package.xml',
  ])
})

t.test('a certificate that proves the client is named as that, too', withoutPython, async (t) => {
  const credentials = [credential('k1', 'active')]
  const proving = deployment(t, { grant: GRANTS.private_key_jwt, credentials })
  t.equal(fileOf(proving, 'ecaOauth').clientAssertionCertificate, PEM.trim())
  t.equal(fileOf(proving, 'ecaGlblOauth').certificate, PEM.trim())
  t.notOk('clientAssertionCertificate' in fileOf(deployment(t, { credentials }), 'ecaOauth'))
})

t.test('refresh tokens end when they are idle for too long', withoutPython, async (t) => {
  const of = (changes: Parameters<typeof integration>[0]) => {
    const files = deployment(t, changes)
    return { ...fileOf(files, 'ecaGlblOauth'), ...fileOf(files, 'ecaOauthPlcy') }
  }
  const grant = GRANTS.refresh_token
  const idle = { refreshTokenPolicyType: 'SpecificInactivity', refreshTokenValidityUnit: 'Days' }
  t.match(of({ grant }), {
    ...idle,
    isDPopEnabled: 'false',
    isRefreshTokenRotationEnabled: 'true',
    isEnforceRefreshTokenTTL: 'true',
    refreshTokenValidityPeriod: '30',
  })
  t.match(of({ grant, refreshTokenIdleDays: 90 }), {
    ...idle,
    isEnforceRefreshTokenTTL: 'false',
    refreshTokenValidityPeriod: '90',
  })
  t.match(of({}), { isEnforceRefreshTokenTTL: 'false', refreshTokenPolicyType: 'Infinite' })
})
