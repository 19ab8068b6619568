/** Valid combinations of grant, credential and login host, for OpenAPI. They match what the code accepts. */
import { grantOf } from '../../grants/index.ts'
import { TEXT_FORMS } from '../../http/text-forms.ts'
import { credentialOneOf, FORMS } from './credential-forms.ts'

type Schema = Readonly<Record<string, unknown>>
type Members = Readonly<Record<string, object>>

const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
const GENERAL = {
  title: 'Of all orgs',
  enum: ['https://login.salesforce.com', 'https://test.salesforce.com'],
}
const MY_DOMAINS = [
  {
    title: 'My Domain',
    pattern: `^https://(${LABEL}\\.)+my\\.salesforce\\.com/?$`,
    $comment: 'a My Domain, as in https://acme.my.salesforce.com',
  },
  {
    title: 'My Domain of the armed forces',
    pattern: `^https://(${LABEL}\\.)+my\\.salesforce\\.mil/?$`,
    $comment: 'a My Domain, as in https://acme.my.salesforce.mil',
  },
]
const SITE = {
  title: 'Site',
  pattern: `^https://(${LABEL}\\.)+my\\.site\\.com(/[A-Za-z0-9_-]+){0,4}/?$`,
  $comment: 'a site, as in https://acme.my.site.com/partners',
}
const LISTED = {
  title: 'One that VALETKEY_LOGIN_HOSTS lists',
  pattern: '^https?://[a-z0-9.:\\[\\]-]+/?$',
  $comment: 'the address of a host that VALETKEY_LOGIN_HOSTS lists',
}

interface DefinitionForm {
  readonly title: string
  readonly grant: string
  readonly hosts: readonly Schema[]
  readonly credential: keyof typeof FORMS | 'none'
  /** Replaces members of the grant's own schema. Null removes the member. */
  readonly settings?: Readonly<Record<string, Schema | null>>
  /** Whether this form has `certificate_deployment`. Default: no. */
  readonly deployment?: 'allowed' | 'required'
  /** Required members of the grant. */
  readonly needs?: readonly string[]
}

const ANYWHERE = [GENERAL, ...MY_DOMAINS, SITE, LISTED]
const SHOWS_SECRET = {
  client_auth: {
    enum: ['client_secret_basic', 'client_secret_post'],
    default: 'client_secret_basic',
  },
}
const SIGNS = { client_auth: { const: 'private_key_jwt' } }
/** Only the configuration file may name a file. */
const FROM_INTEGRATION = {
  subject_token: {
    type: 'object',
    required: ['integration'],
    properties: { integration: { type: 'string', ...TEXT_FORMS.name } },
    additionalProperties: false,
  },
}

const DEFINITIONS: readonly DefinitionForm[] = [
  {
    ...{ title: 'JWT bearer definition', grant: 'jwt_bearer' },
    ...{ credential: 'certificate', hosts: ANYWHERE },
  },
  {
    ...{ title: 'JWT bearer definition that is deployed', grant: 'jwt_bearer' },
    ...{ credential: 'certificate', hosts: ANYWHERE, deployment: 'required' },
  },
  {
    ...{ title: 'Client credentials definition', grant: 'client_credentials' },
    deployment: 'allowed',
    ...{ credential: 'client_secret', hosts: [...MY_DOMAINS, LISTED], settings: SHOWS_SECRET },
  },
  {
    ...{ title: 'Signed client credentials definition', grant: 'client_credentials' },
    ...{ deployment: 'allowed', credential: 'certificate', hosts: [...MY_DOMAINS, LISTED] },
    ...{ settings: SIGNS, needs: ['client_auth'] },
  },
  {
    ...{ title: 'Refresh token definition', grant: 'refresh_token' },
    ...{ credential: 'refresh_token', hosts: ANYWHERE, settings: SHOWS_SECRET },
  },
  {
    ...{ title: 'Signed refresh token definition', grant: 'refresh_token' },
    ...{ deployment: 'allowed', credential: 'signed_refresh_token', hosts: ANYWHERE },
    ...{ settings: SIGNS, needs: ['client_auth'] },
  },
  {
    ...{ title: 'Token exchange definition', grant: 'token_exchange' },
    deployment: 'allowed',
    ...{ credential: 'client_secret', hosts: [...MY_DOMAINS, SITE, LISTED] },
    settings: { ...FROM_INTEGRATION, ...SHOWS_SECRET, asset: null },
  },
  {
    ...{ title: 'Signed token exchange definition', grant: 'token_exchange' },
    ...{ deployment: 'allowed', credential: 'certificate', hosts: [...MY_DOMAINS, SITE, LISTED] },
    ...{ settings: { ...FROM_INTEGRATION, ...SIGNS }, needs: ['client_auth'] },
  },
  {
    ...{ title: 'Asset token definition', grant: 'token_exchange' },
    ...{ deployment: 'allowed', credential: 'certificate', hosts: [...MY_DOMAINS, SITE, LISTED] },
    ...{ settings: FROM_INTEGRATION, needs: ['asset'] },
  },
  {
    ...{ title: 'Data Cloud definition', grant: 'data_cloud', credential: 'none' },
    hosts: [...MY_DOMAINS, LISTED],
  },
]

/** Body of a definition: one form for each grant and way to authenticate. */
export const definitionAnyOf = (members: Members, credentialMembers: Members): Schema => ({
  anyOf: DEFINITIONS.map((form) => {
    const { credential: _, login_url, grant: __, ...rest } = members
    const { deployment: rule = {}, certificate_deployment: former = {}, ...others } = rest
    const { credential, hosts, title, deployment } = form
    return {
      type: 'object',
      title,
      required: ['login_url', 'grant', ...(deployment === 'required' ? ['deployment'] : [])],
      properties: {
        login_url: { ...login_url, anyOf: hosts },
        grant: grantSchemaOf(form),
        ...(credential !== 'none' && {
          credential: credentialOneOf(credentialMembers, FORMS[credential]),
        }),
        ...others,
        ...(deployment && { deployment: rule, certificate_deployment: former }),
      },
      additionalProperties: false,
    }
  }),
})

function grantSchemaOf({ grant, settings = {}, needs = [] }: DefinitionForm): Schema {
  const { properties, required = [] } = grantOf(grant).schema as unknown as {
    readonly properties: Members
    readonly required?: readonly string[]
  }
  const kept = Object.entries({ ...properties, ...settings }).filter(
    ([, schema]) => schema !== null,
  )
  return {
    type: 'object',
    required: [...new Set([...required, ...needs])],
    properties: Object.fromEntries(kept),
    additionalProperties: false,
  }
}
