/** The schema of the file of `VALETKEY_SIGNERS`. */
import { Ajv } from 'ajv'
import { type Static, Type } from 'typebox'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { once } from '../runtime/once.ts'

const strict = { additionalProperties: false }
const Text = Type.String({ minLength: 1, maxLength: 512 })
const Path = Type.String({ minLength: 1, maxLength: 4096 })
/** Of a secrets engine or an auth method. No part may be `..`, because it becomes part of a URL. */
const Mount = Type.String({
  pattern: '^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$',
  $comment: 'the path of a mount without slashes at its ends',
  maxLength: 256,
})
const Globs = Type.Array(Text, { minItems: 1, maxItems: 256 })

const auths = [
  Type.Object({ type: Type.Literal('token_file'), token_file: Path }, strict),
  Type.Object(
    {
      type: Type.Literal('app_role'),
      mount: Type.Optional(Mount),
      role_id: Text,
      secret_id_file: Path,
    },
    strict,
  ),
  Type.Object(
    { type: Type.Literal('jwt'), mount: Type.Optional(Mount), role: Text, token_file: Path },
    strict,
  ),
  Type.Object(
    {
      type: Type.Literal('kubernetes'),
      mount: Type.Optional(Mount),
      role: Text,
      token_file: Type.Optional(Path),
    },
    strict,
  ),
  Type.Object(
    {
      type: Type.Literal('certificate'),
      mount: Type.Optional(Mount),
      role: Type.Optional(Text),
      certificate_file: Path,
      key_file: Path,
    },
    strict,
  ),
] as const

const Auth = Type.Unsafe<Static<(typeof auths)[number]>>({
  type: 'object',
  required: ['type'],
  discriminator: { propertyName: 'type' },
  oneOf: auths,
})

const common = {
  keys: Type.Optional(Globs),
  integrations: Type.Optional(Globs),
  timeout_seconds: Type.Optional(Type.Number({ minimum: 0.1, maximum: 3 })),
  signatures_at_once: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
}

const Vault = Type.Object(
  {
    type: Type.Literal('vault_transit'),
    address: Text,
    mount: Type.Optional(Mount),
    namespace: Type.Optional(Text),
    ca_file: Type.Optional(Path),
    secrets: Type.Optional(Globs),
    auth: Auth,
    ...common,
  },
  strict,
)

const Kms = Type.Object(
  {
    type: Type.Literal('aws_kms'),
    region: Type.String({
      pattern: '^[a-z]{2}[a-z0-9-]{1,40}$',
      $comment: 'a region, as in eu-central-1',
    }),
    endpoint: Type.Optional(Text),
    ...common,
  },
  strict,
)

const Pkcs11 = Type.Object(
  {
    type: Type.Literal('pkcs11'),
    module: Type.String({
      pattern: '^/',
      $comment: 'the absolute path of a PKCS#11 library',
      maxLength: 4096,
    }),
    token: Type.String({ minLength: 1, maxLength: 32 }),
    pin_file: Path,
    ...common,
  },
  strict,
)

export type VaultEntry = Static<typeof Vault>
export type VaultAuthEntry = Static<typeof Auth>
export type SignerEntry = VaultEntry | Static<typeof Kms> | Static<typeof Pkcs11>

const KeyringKey = Type.Object({ signer: Type.String(TEXT_FORMS.signer_name), key: Text }, strict)

const File = Type.Object(
  {
    keyring_keys: Type.Optional(
      Type.Unsafe<Readonly<Record<string, Static<typeof KeyringKey>>>>({
        type: 'object',
        propertyNames: TEXT_FORMS.signer_name,
        additionalProperties: KeyringKey,
      }),
    ),
    signers: Type.Unsafe<Readonly<Record<string, SignerEntry>>>({
      type: 'object',
      propertyNames: TEXT_FORMS.signer_name,
      additionalProperties: {
        type: 'object',
        required: ['type'],
        discriminator: { propertyName: 'type' },
        oneOf: [Vault, Kms, Pkcs11],
      },
    }),
  },
  strict,
)

export type SignersContent = Static<typeof File>

export const signersValidator = once(() =>
  new Ajv({ allErrors: true, discriminator: true, strict: false, verbose: true }).compile(File),
)
