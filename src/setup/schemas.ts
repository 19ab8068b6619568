/** The wire form of the setup sheet. */
import { type Static, Type } from 'typebox'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { METADATA_FORMATS, type MetadataFormat } from './metadata.ts'
import type { Sheet } from './sheet.ts'

const Field = Type.Object(
  {
    section: Type.String(),
    field: Type.String(),
    value: Type.String(),
    why: Type.Optional(Type.String()),
  },
  { title: 'Setup field' },
)

const Step = Type.Object(
  {
    title: Type.String(),
    where: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Place in Setup; null if the step uses this service',
    }),
    fields: Type.Array(Field),
  },
  { title: 'Setup step' },
)

const Certificate = Type.Object(
  {
    credential_id: Type.String(),
    state: Type.String(),
    path: Type.String({ description: 'Where to download it' }),
    fingerprint_sha256: Type.String(),
    not_after: Type.String({ format: 'date-time' }),
  },
  { title: 'Certificate to upload' },
)

export const SetupSheet = Type.Object(
  {
    integration: Type.String(),
    grant: Type.String(),
    title: Type.String(),
    missing: Type.Array(
      Type.Unsafe<string>({ type: 'string', enum: ['credential', 'client_id'] }),
      {
        description: 'What the integration still lacks, in the order of the steps',
      },
    ),
    steps: Type.Array(Step),
    certificate: Type.Unsafe<Static<typeof Certificate> | null>({
      anyOf: [Certificate, { type: 'null' }],
      description: 'The staged one first. Null: none is needed, or none exists',
    }),
    write_back: Type.Object({
      method: Type.String(),
      path: Type.String(),
      headers: Type.Unsafe<Record<string, string>>({
        type: 'object',
        additionalProperties: { type: 'string' },
      }),
      body: Type.Unsafe<object>({ type: 'object', additionalProperties: true }),
    }),
    wait_seconds: Type.Object(
      { least: Type.Integer(), most: Type.Integer() },
      { description: 'How long a change takes to reach all servers of Salesforce' },
    ),
    traps: Type.Array(
      Type.Object({ trap: Type.String(), detail: Type.String() }, { title: 'Setup trap' }),
    ),
    metadata: Type.String({ description: 'Path of the files to deploy instead' }),
  },
  { title: 'Setup sheet', description: 'The settings to make in Salesforce, in JSON or Markdown' },
)

const Name = {
  minLength: 1,
  maxLength: 255,
  pattern: '^[^\\u0000-\\u001f\\u007f,]+$',
  $comment: 'text without commas and control characters',
}

export const MetadataQuery = Type.Object(
  {
    contact_email: Type.Optional(
      Type.String({
        maxLength: 254,
        format: 'email',
        description: 'Contact of the app. Default: the username, or a placeholder',
      }),
    ),
    permission_set: Type.Optional(
      Type.String({
        ...Name,
        description:
          'API name of a permission set of the user. Default: one that the files contain',
      }),
    ),
    profile: Type.Optional(
      Type.String({ ...Name, description: 'Name of a profile that the user has' }),
    ),
    run_as: Type.Optional(
      Type.String({
        maxLength: 80,
        ...TEXT_FORMS.username,
        description:
          'Username of the run-as user, for client credentials. Default: a placeholder, which a deployment refuses',
      }),
    ),
    format: Type.Optional(
      Type.Unsafe<MetadataFormat>({
        type: 'string',
        enum: METADATA_FORMATS,
        description:
          '`metadata`: of the Metadata API; `source`: of a Salesforce DX project. Default: `metadata`',
      }),
    ),
  },
  { additionalProperties: false },
)

const time = (at: number) => new Date(at).toISOString()

export function sheetView(sheet: Sheet): Static<typeof SetupSheet> {
  const { certificate, writeBack, wait, steps, missing, traps, ...same } = sheet
  return {
    ...same,
    missing: [...missing],
    steps: steps.map(({ fields, ...step }) => ({ ...step, fields: [...fields] })),
    traps: [...traps],
    certificate: certificate && {
      credential_id: certificate.credentialId,
      state: certificate.state,
      path: certificate.path,
      fingerprint_sha256: certificate.fingerprintSha256,
      not_after: time(certificate.notAfter),
    },
    write_back: { ...writeBack, headers: { ...writeBack.headers } },
    wait_seconds: wait,
  }
}
