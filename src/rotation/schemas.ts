/** The wire form of credentials. */
import { type Static, Type } from 'typebox'
import type { CredentialState } from '../credentials/credential.ts'
import { RemarkMembers } from '../credentials/remarks-view.ts'
import type { CredentialType } from '../grants/grant.ts'
import { documented, OBJECT_KEYWORDS } from '../http/openapi/documented.ts'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { stagedOneOf } from '../integrations/schemas/credential-forms.ts'
import {
  CredentialSchema,
  GenerateSchema,
  SignerSchema,
  VaultSchema,
} from '../integrations/schemas/credential-schema.ts'

export const CredentialParams = Type.Object({
  name: Type.String({ ...TEXT_FORMS.name, description: 'Name of the integration' }),
  id: Type.String({
    pattern: '^[A-Za-z0-9-]{1,64}$',
    $comment: '1 to 64 letters, digits and hyphens',
    description: 'Id of the credential',
  }),
})

const CsrSchema = Type.Object(
  {
    common_name: Type.String({ minLength: 1, maxLength: 64 }),
    organization: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    organizational_unit: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    country: Type.Optional(
      Type.String({
        pattern: '^[A-Z]{2}$',
        $comment: 'two upper-case letters (ISO 3166), as in DE',
      }),
    ),
    key_bits: Type.Optional(
      Type.Unsafe<2048 | 3072 | 4096>({ type: 'integer', enum: [2048, 3072, 4096], default: 2048 }),
    ),
  },
  {
    title: 'Certificate request',
    additionalProperties: false,
    description: 'Generates the key in the broker, and a request that a CA signs',
  },
)

const { generate: _generate, from: _from, ...given } = CredentialSchema.properties

const staged = {
  generate: Type.Optional(GenerateSchema),
  ...given,
  csr: Type.Optional(CsrSchema),
  client_id: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 256,
      ...TEXT_FORMS.visible,
      description:
        'Consumer key of another app (blue/green). Then only you can activate the credential',
    }),
  ),
}

export const StageBody = Type.Object(staged, {
  title: 'Credential to stage',
  additionalProperties: false,
  description:
    'Exactly one of `generate`, `private_key` (with `certificate`), `keystore`, `signer` (with `certificate`), `csr`, `client_secret`. For the grant `refresh_token`: a `refresh_token`, alone or with a key or a secret',
  examples: [{ generate: {} }],
  ...documented(stagedOneOf(staged, ['client_id']), OBJECT_KEYWORDS),
})

export type StageBody = Static<typeof StageBody>

export const ActivateBody = Type.Unsafe<{ readonly prove?: boolean } | null>({
  type: ['object', 'null'],
  description: 'Optional',
  properties: {
    prove: {
      type: 'boolean',
      default: true,
      description: 'False skips the real mint before the activation',
    },
  },
  additionalProperties: false,
  examples: [{ prove: true }],
})

const NullableTime = Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' })

const Certificate = Type.Object(
  {
    subject: Type.String(),
    serial: Type.String({ description: 'Hexadecimal' }),
    fingerprint_sha256: Type.String(),
    not_before: Type.String({ format: 'date-time' }),
    not_after: Type.String({ format: 'date-time' }),
    key_bits: Type.Integer(),
    pem: Type.String(),
  },
  { title: 'Certificate' },
)

const members = {
  id: Type.String(),
  type: Type.Unsafe<CredentialType>({
    type: 'string',
    enum: ['certificate', 'client_secret', 'refresh_token'],
  }),
  state: Type.Unsafe<CredentialState>({
    type: 'string',
    enum: ['pending', 'staged', 'active', 'retired'],
  }),
  client_id: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    description: 'Consumer key of its client',
  }),
  created_at: Type.String({ format: 'date-time' }),
  activated_at: NullableTime,
  retires_at: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    format: 'date-time',
    description:
      'Earliest time of erasure of a retired credential. Each refusal of the active one postpones it',
  }),
  certificate: Type.Union([Certificate, Type.Null()]),
  signer: Type.Optional(SignerSchema),
  sources: Type.Optional(
    Type.Unsafe<Readonly<Record<string, unknown>>>({
      type: 'object',
      description: 'Members whose values are in a vault, and where',
      additionalProperties: {
        title: 'Source of a secret',
        type: 'object',
        required: ['vault'],
        properties: {
          ...VaultSchema.properties,
          version_in_use: { type: 'integer', description: 'Of KV version 2: what was read' },
        },
        additionalProperties: false,
      },
    }),
  ),
  csr: Type.Optional(
    Type.String({
      description: 'PKCS#10 in PEM, which a CA signs. Present while the credential is pending',
    }),
  ),
}

export const CredentialView = Type.Object(members, { title: 'Credential' })

export const StagedView = Type.Object(
  {
    ...members,
    ...RemarkMembers,
    next: Type.String({ description: 'What to do next, for people' }),
  },
  { title: 'Staged credential', description: 'The new credential, and what to do next' },
)

export type CredentialView = Static<typeof CredentialView>

export const CredentialList = Type.Object(
  { items: Type.Array(CredentialView) },
  { title: 'Credential list', description: 'The credentials and their states' },
)
