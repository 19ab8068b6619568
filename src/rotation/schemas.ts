/** The wire form of credentials. */
import { type Static, Type } from 'typebox'
import type { CredentialState } from '../credentials/credential.ts'
import type { CredentialType } from '../grants/grant.ts'
import { NAME_PATTERN } from '../integrations/schemas.ts'

export const CredentialParams = Type.Object({
  name: Type.String({ pattern: NAME_PATTERN, description: 'Name of the integration' }),
  id: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$', description: 'Id of the credential' }),
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

export const CredentialView = Type.Object(
  {
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
      description: 'The client it belongs to',
    }),
    created_at: Type.String({ format: 'date-time' }),
    activated_at: NullableTime,
    retires_at: NullableTime,
    certificate: Type.Union([Certificate, Type.Null()]),
  },
  { title: 'Credential' },
)

export type CredentialView = Static<typeof CredentialView>

export const CredentialList = Type.Object(
  { items: Type.Array(CredentialView) },
  { title: 'Credential list', description: 'The credentials and their states' },
)
