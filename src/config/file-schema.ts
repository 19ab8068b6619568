/** The schema of the configuration file: issuers, callers, integrations. */
import { Type } from 'typebox'
import { PERMISSIONS } from '../callers/policy.ts'
import { Networks, RequestPatterns } from '../callers/schemas.ts'
import { TEXT_FORMS } from '../http/text-forms.ts'
import {
  GenerateSchema,
  SignerSchema,
  VaultSchema,
} from '../integrations/schemas/credential-schema.ts'
import { IntegrationBody } from '../integrations/schemas/schemas.ts'

const strict = { additionalProperties: false }
const Text = Type.String({ minLength: 1, maxLength: 512 })
const Path = Type.String({ minLength: 1, maxLength: 4096 })
const OneOrMore = Type.Union([Text, Type.Array(Text, { minItems: 1, maxItems: 16 })])

const Issuer = Type.Object(
  {
    issuer: Text,
    audience: OneOrMore,
    jwks_uri: Type.Optional(Text),
    ca_file: Type.Optional(Path),
    token_file: Type.Optional(Path),
    typ: Type.Optional(Text),
    algorithms: Type.Optional(
      Type.Array(
        Type.String({
          pattern: '^((RS|PS|ES)(256|384|512)|EdDSA)$',
          $comment: 'RS, PS or ES with 256, 384 or 512, as in RS256, or EdDSA',
        }),
        { minItems: 1 },
      ),
    ),
  },
  strict,
)

const Caller = Type.Object(
  {
    name: Type.String(TEXT_FORMS.name),
    match: Type.Object(
      {
        issuer: Type.Optional(Text),
        subject: Type.Optional(Text),
        claims: Type.Optional(Type.Record(Text, Type.Union([Text, Type.Number(), Type.Boolean()]))),
        certificate: Type.Optional(Text),
      },
      { ...strict, minProperties: 1 },
    ),
    permissions: Type.Array(Type.Unsafe({ type: 'string', enum: [...PERMISSIONS] }), {
      minItems: 1,
    }),
    integrations: Type.Optional(Type.Array(Text, { maxItems: 256 })),
    labels: Type.Optional(Type.Record(Text, Type.String({ maxLength: 128 }))),
    requests: Type.Optional(RequestPatterns),
    networks: Type.Optional(Networks),
  },
  strict,
)

/** A new version is made by a request. The file is applied again at each start. */
const { new_version: _v, ...generated } = GenerateSchema.properties
const DeclaredGenerate = Type.Object(generated, strict)

/** Secrets come from files or vaults, because this file may be in a repository. */
const FileCredential = Type.Object(
  {
    private_key_file: Type.Optional(Path),
    private_key: Type.Optional(VaultSchema),
    certificate: Type.Optional(VaultSchema),
    keystore: Type.Optional(VaultSchema),
    passphrase: Type.Optional(VaultSchema),
    client_secret: Type.Optional(VaultSchema),
    certificate_file: Type.Optional(Path),
    keystore_file: Type.Optional(Path),
    passphrase_file: Type.Optional(Path),
    alias: Type.Optional(Text),
    client_secret_file: Type.Optional(Path),
    refresh_token_file: Type.Optional(Path),
    signer: Type.Optional(SignerSchema),
    generate: Type.Optional(DeclaredGenerate),
    from: Type.Optional(Type.String(TEXT_FORMS.name)),
  },
  strict,
)

const {
  name: _n,
  managed_by: _m,
  created_at: _c,
  updated_at: _u,
  status: _s,
  normalized: _norm,
  warnings: _w,
  ...body
} = IntegrationBody.properties

/** One entry of `integrations`, validated separately, so that an invalid one disables only itself. */
export const DeclaredIntegration = Type.Object(
  { ...body, credential: Type.Optional(FileCredential) },
  strict,
)

export const ConfigurationFile = Type.Object(
  {
    issuers: Type.Optional(Type.Array(Issuer, { maxItems: 32 })),
    callers: Type.Optional(Type.Array(Caller, { maxItems: 1024 })),
    integrations: Type.Optional(
      Type.Unsafe<Record<string, unknown>>({
        type: 'object',
        propertyNames: TEXT_FORMS.name,
      }),
    ),
    prune: Type.Optional(Type.Boolean()),
  },
  strict,
)
