/** The wire form of integrations. */
import { type Static, Type } from 'typebox'
import { RemarkMembers } from '../../credentials/remarks-view.ts'
import { GrantSchema } from '../../grants/index.ts'
import { documented, OBJECT_KEYWORDS } from '../../http/openapi/documented.ts'
import { TEXT_FORMS } from '../../http/text-forms.ts'
import { type IntegrationState, STATES } from '../status.ts'
import { CredentialSchema } from './credential-schema.ts'
import { definitionAnyOf } from './definition-forms.ts'
import { Status } from './status-schema.ts'

export const NameParams = Type.Object({
  name: Type.String({ ...TEXT_FORMS.name, description: 'Name of the integration' }),
})

const Labels = Type.Unsafe<Record<string, string>>({
  type: 'object',
  title: 'Labels',
  description: 'Up to 16; policies, lists and alerts can go by them',
  maxProperties: 16,
  propertyNames: { type: 'string', ...TEXT_FORMS.label_key },
  additionalProperties: { type: 'string', ...TEXT_FORMS.label_value },
})

const Identity = Type.Object(
  {
    pin: Type.Optional(
      Type.Unsafe<'org_and_user' | 'user' | 'off'>({
        type: 'string',
        enum: ['org_and_user', 'user', 'off'],
        description: '`user` by default on sandbox and scratch hosts, else `org_and_user`',
      }),
    ),
    expect: Type.Optional(
      Type.Object(
        {
          org_id: Type.Optional(Type.String(TEXT_FORMS.org_id)),
          user_id: Type.Optional(Type.String(TEXT_FORMS.user_id)),
          scopes: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64 })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { title: 'Identity rule', additionalProperties: false },
)

const DeploymentSchema = Type.Object(
  {
    through: Type.String({
      ...TEXT_FORMS.name,
      description:
        'The integration with whose token it is done: of a user who may modify metadata, or for a secret view client secrets; best with `serve_tokens: false`',
    }),
    app: Type.String({
      ...TEXT_FORMS.api_name,
      description: 'API name of the External Client App',
    }),
    settings: Type.Optional(
      Type.String({
        ...TEXT_FORMS.api_name,
        description:
          'For a certificate, its global OAuth settings; default `APP_glbloauth`, as Setup names them',
      }),
    ),
    rotate_every_days: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 730,
        description:
          'Makes a new key, or has Salesforce make a new secret, so often, proves and activates it, with no hands at all',
      }),
    ),
  },
  {
    title: 'Deployment rule',
    additionalProperties: false,
    description:
      'Lets `POST …/deploy` upload the certificate through the Metadata API, or replace the client secret through the API for OAuth credentials',
  },
)

/** The former name of the member, which requests may still use. */
const FormerDeploymentSchema = Type.Object(DeploymentSchema.properties, {
  title: 'Deployment rule by its former name',
  additionalProperties: false,
  deprecated: true,
  description:
    'Former name of `deployment`, which counts where both are given; answers have that one',
})

const ExchangeLoginUrls = Type.Array(Type.String({ maxLength: 512 }), {
  maxItems: 32,
  description:
    'Login URLs at which other integrations may exchange its token, beside its own `login_url`',
  examples: [['https://partner.my.salesforce.com']],
})

const definition = {
  description: Type.Optional(Type.String({ maxLength: 500, ...TEXT_FORMS.printable })),
  enabled: Type.Optional(Type.Boolean({ default: true })),
  labels: Type.Optional(Labels),
  login_url: Type.String({
    maxLength: 512,
    description: 'https on a Salesforce host; a path only on `*.my.site.com`',
    examples: ['https://acme.my.salesforce.com'],
  }),
  grant: GrantSchema,
  token_lifetime: Type.Optional(
    Type.Integer({
      minimum: 60,
      maximum: 86_400,
      default: 900,
      description:
        "Seconds; the org's session timeout, used where Salesforce does not say how long a token lives",
    }),
  ),
  keep_warm: Type.Optional(
    Type.Boolean({ default: false, description: 'Refresh ahead even if nobody reads' }),
  ),
  logins_per_hour: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_600, default: 120 })),
  refresh_token_idle_days: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 365,
      default: 30,
      description:
        "How long Salesforce lets the refresh token lie idle, by the app's policy: it is used before that",
    }),
  ),
  serve_tokens: Type.Optional(
    Type.Boolean({
      default: true,
      description:
        'False keeps the token inside the broker: it is not served, also not by an integration that signs with its credential as the same user, and not exchanged',
    }),
  ),
  exchange_login_urls: Type.Optional(ExchangeLoginUrls),
  identity: Type.Optional(Identity),
  deployment: Type.Optional(DeploymentSchema),
  certificate_deployment: Type.Optional(FormerDeploymentSchema),
}

const Ignored = Type.Optional(Type.Unsafe<unknown>({ readOnly: true, description: 'Ignored' }))

/** Read-only members are accepted and ignored, so that a client can send back the body of a GET. */
const ignored = {
  name: Ignored,
  managed_by: Ignored,
  created_at: Ignored,
  updated_at: Ignored,
  status: Ignored,
  normalized: Ignored,
  warnings: Ignored,
}

const writable = { ...definition, credential: Type.Optional(CredentialSchema), ...ignored }

export const IntegrationBody = Type.Object(writable, {
  title: 'Integration definition',
  additionalProperties: false,
  examples: [
    {
      login_url: 'https://acme.my.salesforce.com',
      grant: { type: 'jwt_bearer', username: 'billing@acme.com' },
      credential: { generate: {} },
    },
  ],
  ...documented(definitionAnyOf(writable, CredentialSchema.properties), OBJECT_KEYWORDS),
})

export type IntegrationBody = Static<typeof IntegrationBody>

export const PatchBody = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  description:
    'A JSON merge patch (RFC 7396) over what GET gives: null removes, what is left out stays',
})

export const IntegrationView = Type.Object(
  {
    name: Type.String(),
    description: Type.String(),
    enabled: Type.Boolean(),
    labels: Labels,
    login_url: Type.String(),
    grant: GrantSchema,
    credential: Type.Optional(Type.Object({ from: Type.String() })),
    token_lifetime: Type.Integer(),
    keep_warm: Type.Boolean(),
    logins_per_hour: Type.Integer(),
    refresh_token_idle_days: Type.Optional(Type.Integer()),
    serve_tokens: Type.Boolean(),
    exchange_login_urls: Type.Optional(ExchangeLoginUrls),
    identity: Identity,
    deployment: Type.Optional(DeploymentSchema),
    managed_by: Type.Unsafe<'api' | 'file'>({ type: 'string', enum: ['api', 'file'] }),
    created_at: Type.String({ format: 'date-time' }),
    updated_at: Type.String({ format: 'date-time' }),
    status: Status,
    ...RemarkMembers,
  },
  { title: 'Integration', description: 'An integration and where it stands' },
)

const { name, managed_by, created_at, updated_at, ...seen } = IntegrationView.properties

export const WrittenView = Type.Object(
  { name, managed_by, created_at, updated_at, ...Type.Partial(Type.Object(seen)).properties },
  {
    title: 'Written integration',
    description:
      'The integration; without `integrations:read` on it, what was put, and after a PATCH its name and times and nothing else',
  },
)

export const PageParameters = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
}

export const ListQuery = Type.Object(
  {
    ...PageParameters,
    state: Type.Optional(Type.Unsafe<IntegrationState>({ type: 'string', enum: [...STATES] })),
    label: Type.Optional(
      Type.String({
        pattern: '^[^:]{1,63}:.{0,128}$',
        $comment: 'a label as key:value',
        description: '`key:value`',
      }),
    ),
    certificate_expires_before: Type.Optional(Type.String({ format: 'date-time' })),
  },
  { additionalProperties: false },
)

export const IntegrationList = Type.Object(
  {
    items: Type.Array(IntegrationView),
    next_cursor: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Pass as `cursor`; null on the last page',
    }),
    corrupt: Type.Optional(
      Type.Array(Type.String(), {
        description:
          'Names, within this page, of integrations whose record cannot be used (`record_corrupt`). For those who may see them whatever their labels are; absent where there is none',
      }),
    ),
  },
  { title: 'Integration list', description: 'A page, in order of name' },
)
