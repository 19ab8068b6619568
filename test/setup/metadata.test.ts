import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { zipOf } from '../../src/setup/archive.ts'
import { blueprintOf } from '../../src/setup/blueprint.ts'
import { type MetadataChoices, metadataOf } from '../../src/setup/metadata.ts'
import { hasCommand } from '../support/shell.ts'
import { credential, GRANTS, integration, PEM } from './fixture.ts'

const withoutPython = hasCommand('python3') ? {} : { skip: 'python3 is not on the PATH' }

type Kind = 'text' | 'boolean' | 'members' | readonly string[]

/** The members of each type in the order in which a retrieval writes them, after the Metadata API Developer Guide. */
const SCHEMA: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  ExternalClientApplication: {
    contactEmail: 'text',
    contactPhone: 'text',
    description: 'text',
    distributionState: ['Local', 'Packageable'],
    iconUrl: 'text',
    isProtected: 'boolean',
    label: 'text',
    logoUrl: 'text',
  },
  ExtlClntAppOauthSettings: {
    commaSeparatedOauthScopes: 'text',
    externalClientApplication: 'text',
    isFirstPartyAppEnabled: 'boolean',
    label: 'text',
    oauthLink: 'text',
    singleLogoutUrl: 'text',
  },
  ExtlClntAppGlobalOauthSettings: {
    callbackUrl: 'text',
    certificate: 'text',
    consumerKey: 'text',
    consumerSecret: 'text',
    externalClientApplication: 'text',
    isClientCredentialsFlowEnabled: 'boolean',
    isCodeCredFlowEnabled: 'boolean',
    isCodeCredPostOnly: 'boolean',
    isConsumerSecretOptional: 'boolean',
    isDeviceFlowEnabled: 'boolean',
    isIntrospectAllTokens: 'boolean',
    isNamedUserJwtEnabled: 'boolean',
    isPkceRequired: 'boolean',
    isRefreshTokenRotationEnabled: 'boolean',
    isSecretRequiredForRefreshToken: 'boolean',
    isSecretRequiredForTokenExchange: 'boolean',
    isTokenExchangeEnabled: 'boolean',
    label: 'text',
    shouldRotateConsumerKey: 'boolean',
    shouldRotateConsumerSecret: 'boolean',
  },
  ExtlClntAppOauthConfigurablePolicies: {
    clientCredentialsFlowUser: 'text',
    commaSeparatedPermissionSet: 'text',
    commaSeparatedProfile: 'text',
    externalClientApplication: 'text',
    ipRelaxationPolicyType: ['Enforce', 'Bypass', 'Bypass_2factor', 'Enforce_RelaxRefresh'],
    isClientCredentialsFlowEnabled: 'boolean',
    isGuestCodeCredFlowEnabled: 'boolean',
    isTokenExchangeFlowEnabled: 'boolean',
    label: 'text',
    permittedUsersPolicyType: ['AdminApprovedPreAuthorized', 'AllSelfAuthorized'],
    refreshTokenPolicyType: ['Infinite', 'SpecificInactivity', 'SpecificLifetime', 'Zero'],
    refreshTokenValidityPeriod: 'text',
    refreshTokenValidityUnit: ['Days', 'Hours', 'Months'],
    requiredSessionLevel: ['LOW', 'STANDARD', 'HIGH_ASSURANCE'],
  },
  ExtlClntAppConfigurablePolicies: {
    externalClientApplication: 'text',
    isEnabled: 'boolean',
    isOauthPluginEnabled: 'boolean',
    label: 'text',
  },
  PermissionSet: {
    description: 'text',
    hasActivationRequired: 'boolean',
    label: 'text',
    license: 'text',
    userPermissions: 'members',
  },
}

const SECRET_MEMBERS = ['consumerKey', 'consumerSecret']

/** Type and suffix by folder. */
const FOLDERS: Readonly<Record<string, readonly [type: string, suffix: string]>> = {
  externalClientApps: ['ExternalClientApplication', 'eca'],
  extlClntAppOauthSettings: ['ExtlClntAppOauthSettings', 'ecaOauth'],
  extlClntAppGlobalOauthSets: ['ExtlClntAppGlobalOauthSettings', 'ecaGlblOauth'],
  extlClntAppOauthPolicies: ['ExtlClntAppOauthConfigurablePolicies', 'ecaOauthPlcy'],
  extlClntAppPolicies: ['ExtlClntAppConfigurablePolicies', 'ecaPlcy'],
  permissionsets: ['PermissionSet', 'permissionset'],
}

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
  membersOf(Object.entries(files).find(([path]) => path.endsWith(`.${suffix}-meta.xml`))?.[1])

const fits = (kind: Kind | undefined, text: string) =>
  Array.isArray(kind)
    ? kind.includes(text)
    : kind === 'text' || (kind === 'members' ? /^\s*$/ : /^(true|false)$/).test(text)

t.test('each file has members that its type knows, in their order', withoutPython, async (t) => {
  for (const [name, grant] of Object.entries(GRANTS)) {
    const files = deployment(t, { grant, credentials: [credential('k1', 'active')] })
    t.equal(Object.keys(files).length, 7, name)
    for (const [path, root] of Object.entries(files)) {
      if (path === 'package.xml') continue
      const [folder = '', file = ''] = path.split('/')
      const [type = '', suffix] = FOLDERS[folder] ?? []
      t.equal(root.tag, `${NAMESPACE}${type}`, path)
      t.match(file, new RegExp(`^Valetkey_billing(_defaultPolicy)?\\.${suffix}-meta\\.xml$`))
      const known = Object.keys(SCHEMA[type] ?? {})
      const places = root.children.map((child) => known.indexOf(nameOf(child)))
      t.strictSame(
        places,
        [...places].sort((a, b) => a - b),
        path,
      )
      for (const child of root.children) {
        t.ok(fits(SCHEMA[type]?.[nameOf(child)], child.text), `${path} ${nameOf(child)}`)
        t.notOk(SECRET_MEMBERS.includes(nameOf(child)))
      }
    }
  }
})

t.test('the manifest names each file, and nothing else', withoutPython, async (t) => {
  const files = deployment(t, {})
  const { children = [] } = files['package.xml'] ?? {}
  const named = children.flatMap((child) => {
    const { members, name } = membersOf(child)
    return nameOf(child) === 'types' ? [`${name}:${members}`] : []
  })
  const there = Object.keys(files).flatMap((path) => {
    const [folder = '', file = ''] = path.split('/')
    return FOLDERS[folder] ? [`${FOLDERS[folder][0]}:${file.split('.')[0]}`] : []
  })
  t.strictSame([...named].sort(), [...there].sort())
  t.equal(nameOf(children.at(-1) as Parsed), 'version')
})

t.test('every file speaks of the same app', withoutPython, async (t) => {
  const files = deployment(t, { name: 'billing-eu' })
  for (const suffix of ['ecaOauth', 'ecaGlblOauth', 'ecaOauthPlcy', 'ecaPlcy']) {
    t.equal(fileOf(files, suffix).externalClientApplication, 'Valetkey_billing_eu', suffix)
  }
  t.ok(files['externalClientApps/Valetkey_billing_eu.eca-meta.xml'])
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
    (files['permissionsets/Valetkey_billing.permissionset-meta.xml']?.children ?? [])
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
