/** The wire form of integrations. */
import { type Static, Type } from 'typebox'
import { RemarkMembers } from '../../credentials/remarks-view.ts'
import { GrantSchema } from '../../grants/index.ts'
import { documented, OBJECT_KEYWORDS } from '../../http/openapi/documented.ts'
import { TEXT_FORMS } from '../../http/text-forms.ts'
import { CredentialSchema } from './credential-schema.ts'
import { definitionAnyOf } from './definition-forms.ts'
import { DpopSchema } from './dpop-schema.ts'
import { Status, WantedState } from './status-schema.ts'

export const NameParams = Type.Object({
  name: Type.String({ ...TEXT_FORMS.name, description: 'Name of the integration' }),
})

const Labels = Type.Unsafe<Record<string, string>>({
  type: 'object',
  title: 'Labels',
  description: 'Up to 16 labels, which policies, lists and alerts can use',
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
        description: 'Default: `user` on sandbox and scratch hosts, otherwise `org_and_user`',
      }),
    ),
    expect: Type.Optional(
      Type.Object(
        {
          org_id: Type.Optional(Type.String(TEXT_FORMS.org_id)),
          user_id: Type.Optional(Type.String(TEXT_FORMS.user_id)),
          scopes: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64 })),
          dpop: Type.Optional(
            Type.Boolean({
              description:
                'Experimental. `true`: a token that Salesforce did not bind to a key is not served. Needs `dpop.mode` `on`',
            }),
          ),
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
        'The integration whose token calls Salesforce. Its user must be allowed to modify metadata, or for a secret to view client secrets. Recommended: `serve_tokens: false`',
    }),
    app: Type.String({
      ...TEXT_FORMS.api_name,
      description: 'API name of the External Client App',
    }),
    settings: Type.Optional(
      Type.String({
        ...TEXT_FORMS.api_name,
        description:
          'For a certificate: name of the global OAuth settings of the app. Default: `APP_glbloauth`, as Setup names them',
      }),
    ),
    rotate_every_days: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 730,
        description:
          'Interval of automatic rotation: generates a key, or lets Salesforce generate a secret, proves it and activates it',
      }),
    ),
  },
  {
    title: 'Deployment rule',
    additionalProperties: false,
    description:
      'Allows `POST …/deploy` to upload the certificate by the Metadata API, or to replace the client secret by the API for OAuth credentials',
  },
)

/** The former name of the member, which requests may still use. */
const FormerDeploymentSchema = Type.Object(DeploymentSchema.properties, {
  title: 'Deployment rule by its former name',
  additionalProperties: false,
  deprecated: true,
  description:
    'Former name of `deployment`. If both are present, `deployment` counts. Answers only have `deployment`',
})

const ExchangeLoginUrls = Type.Array(Type.String({ maxLength: 512 }), {
  maxItems: 32,
  description:
    'Login URLs, besides its own `login_url`, where other integrations may exchange its token',
  examples: [['https://partner.my.salesforce.com']],
})

const definition = {
  description: Type.Optional(Type.String({ maxLength: 500, ...TEXT_FORMS.printable })),
  enabled: Type.Optional(Type.Boolean({ default: true })),
  labels: Type.Optional(Labels),
  login_url: Type.String({
    maxLength: 512,
    description: 'An https URL on a Salesforce host. Only `*.my.site.com` may have a path',
    examples: ['https://acme.my.salesforce.com'],
  }),
  grant: GrantSchema,
  token_lifetime: Type.Optional(
    Type.Integer({
      minimum: 60,
      maximum: 86_400,
      default: 900,
      description:
        "Seconds. The org's session timeout, which is used if Salesforce does not state the lifetime of a token",
    }),
  ),
  keep_warm: Type.Optional(
    Type.Boolean({
      default: false,
      description: 'Whether the token is refreshed ahead even if nobody reads it',
    }),
  ),
  logins_per_hour: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_600, default: 120 })),
  refresh_token_idle_days: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 365,
      default: 30,
      description:
        "Days after which Salesforce ends an idle refresh token, by the app's policy. The token is used before that",
    }),
  ),
  serve_tokens: Type.Optional(
    Type.Boolean({
      default: true,
      description:
        'False keeps the token inside the broker: it is neither served nor exchanged. An integration that signs with the same credential as the same user does not serve it either',
    }),
  ),
  watch: Type.Optional(
    Type.Boolean({
      default: true,
      description:
        'Whether what is unusual makes events: a caller that is new, comes from a new network or reads far more than before, and a token with other scopes or of another host of the org',
    }),
  ),
  exchange_login_urls: Type.Optional(ExchangeLoginUrls),
  identity: Type.Optional(Identity),
  deployment: Type.Optional(DeploymentSchema),
  certificate_deployment: Type.Optional(FormerDeploymentSchema),
  dpop: Type.Optional(DpopSchema),
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
    'A JSON merge patch (RFC 7396) of the body of a GET. Null removes a member, and an absent member stays',
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
    watch: Type.Boolean(),
    exchange_login_urls: Type.Optional(ExchangeLoginUrls),
    identity: Identity,
    deployment: Type.Optional(DeploymentSchema),
    dpop: Type.Optional(DpopSchema),
    managed_by: Type.Unsafe<'api' | 'file'>({ type: 'string', enum: ['api', 'file'] }),
    created_at: Type.String({ format: 'date-time' }),
    updated_at: Type.String({ format: 'date-time' }),
    status: Status,
    ...RemarkMembers,
  },
  { title: 'Integration', description: 'An integration and its status' },
)

const { name, managed_by, created_at, updated_at, ...seen } = IntegrationView.properties

export const WrittenView = Type.Object(
  { name, managed_by, created_at, updated_at, ...Type.Partial(Type.Object(seen)).properties },
  {
    title: 'Written integration',
    description:
      'The integration. Without `integrations:read` for it: what was sent by a PUT, or only its name and times after a PATCH',
  },
)

export const PageParameters = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
}

export const ListQuery = Type.Object(
  {
    ...PageParameters,
    state: Type.Optional(WantedState),
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
      description: 'Pass it as `cursor`. Null on the last page',
    }),
    corrupt: Type.Optional(
      Type.Array(Type.String(), {
        description:
          'Names, in this page, of integrations whose record is unusable (`record_corrupt`). Only for callers that may see them with any labels. Absent if there are none',
      }),
    ),
  },
  { title: 'Integration list', description: 'A page, in order of name' },
)
