/** The wire form of a new credential. */
import { type TSchema, Type } from 'typebox'
import { documented } from '../../http/openapi/documented.ts'
import { TEXT_FORMS } from '../../http/text-forms.ts'

export const GenerateSchema = Type.Object(
  {
    key_bits: Type.Optional(
      Type.Unsafe<2048 | 3072 | 4096>({ type: 'integer', enum: [2048, 3072, 4096], default: 2048 }),
    ),
    days: Type.Optional(Type.Integer({ minimum: 1, maximum: 825, default: 365 })),
    common_name: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    new_version: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'Beside `signer`: rotates the key at the signer, and certifies the new version',
      }),
    ),
  },
  {
    title: 'Key to make',
    additionalProperties: false,
    description:
      'Generates the key pair in the broker. The private key never leaves it. Beside `signer`: only makes a certificate for the key that is there, and `key_bits` has no effect',
  },
)

/** Bounds of the version of a key. */
export const KEY_VERSIONS = { minimum: 1, maximum: 1_000_000 } as const

/** Where a key is. The addresses of signers are settings of the process. */
export const SignerSchema = Type.Object(
  {
    name: Type.String({
      ...TEXT_FORMS.signer_name,
      description: 'Name of a signer in the file of `VALETKEY_SIGNERS`',
    }),
    key: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9_.:/ -]{0,255}$',
      $comment: '1 to 256 letters, digits, spaces, and _ . : / -, with a letter or a digit first',
      description: 'Its name or id at the signer',
    }),
    key_version: Type.Optional(
      Type.Integer({
        ...KEY_VERSIONS,
        description:
          'Default: the version of `certificate`, or else the newest one. It stays the same when the key is rotated at the signer',
      }),
    ),
  },
  {
    title: 'Key reference',
    additionalProperties: false,
    description: 'A key that stays in Vault, OpenBao or AWS KMS, which signs with it',
    examples: [{ name: 'vault', key: 'valetkey-billing' }],
  },
)

/** Where a secret is. The addresses of vaults are settings of the process. */
export const VaultSchema = Type.Object(
  {
    vault: Type.Object(
      {
        name: Type.Optional(
          Type.String({
            ...TEXT_FORMS.signer_name,
            description:
              'Name of a vault in the file of `VALETKEY_SIGNERS`. Default: the only one with `secrets`',
          }),
        ),
        path: Type.String({
          pattern:
            '^(?!(?:sys|auth|identity|cubbyhole)/)[A-Za-z0-9_@-][A-Za-z0-9_.@ -]*(/[A-Za-z0-9_@-][A-Za-z0-9_.@ -]*)+$',
          $comment:
            'a path of KV as policies have it, as in secret/data/billing; not below sys, auth, identity or cubbyhole',
          maxLength: 512,
          description:
            'As policies have it: with `/data/` behind the mount for KV version 2, without it for version 1',
        }),
        field: Type.String({
          minLength: 1,
          maxLength: 256,
          description: 'The field of the secret. Its value is a text',
        }),
        version: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: 1_000_000,
            description: 'Of KV version 2. Default: the newest, which is followed',
          }),
        ),
      },
      { title: 'Place in a vault', additionalProperties: false },
    ),
  },
  {
    title: 'Secret of a vault',
    additionalProperties: false,
    description:
      'A secret that stays in Vault or OpenBao (KV version 1 or 2). It is read there, and never stored',
    examples: [{ vault: { path: 'secret/data/billing', field: 'client_secret' } }],
  },
)

/** A text, or the place of the text in a vault. */
const orVault = <Text extends TSchema>(text: Text) => Type.Union([text, VaultSchema])

export const CredentialSchema = Type.Object(
  {
    private_key: Type.Optional(
      orVault(
        Type.String({
          maxLength: 65_536,
          description:
            'PEM, PKCS#1 or PKCS#8, RSA of 2048 bits or more. An encrypted key needs `passphrase`',
          ...documented({ pattern: 'PRIVATE.KEY', $comment: 'a private key in PEM' }),
        }),
      ),
    ),
    certificate: Type.Optional(
      orVault(
        Type.String({
          maxLength: 65_536,
          description:
            'The certificate of this private key, in PEM, at most 4,000 characters from BEGIN to END',
          ...documented({ pattern: 'CERTIFICATE', $comment: 'a certificate in PEM' }),
        }),
      ),
    ),
    keystore: Type.Optional(
      orVault(
        Type.String({
          minLength: 24,
          maxLength: 65_536,
          description:
            'A PKCS#12 file or a Java keystore (JKS) in base64, instead of `private_key` and `certificate`',
        }),
      ),
    ),
    passphrase: Type.Optional(
      orVault(
        Type.String({
          maxLength: 512,
          description: 'Passphrase of the keystore, or of the encrypted private key',
        }),
      ),
    ),
    alias: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'Alias of the key in the keystore. Required if there are several keys',
      }),
    ),
    client_secret: Type.Optional(
      orVault(
        Type.String({ maxLength: 512, ...documented({ minLength: 1, ...TEXT_FORMS.visible }) }),
      ),
    ),
    refresh_token: Type.Optional(
      Type.String({
        maxLength: 4_096,
        ...documented({ minLength: 1, ...TEXT_FORMS.visible }),
        description:
          'For the grant `refresh_token`. From now on, no other program may use this token',
      }),
    ),
    signer: Type.Optional(SignerSchema),
    generate: Type.Optional(GenerateSchema),
    from: Type.Optional(
      Type.String({
        ...TEXT_FORMS.name,
        description: 'Signs with the credentials of this integration',
      }),
    ),
  },
  {
    title: 'New credential',
    additionalProperties: false,
    description:
      'Exactly one of `private_key` (with `certificate`), `keystore`, `signer` (with `certificate`), `client_secret`, `generate`, `from`. For the grant `refresh_token`: a `refresh_token`, alone or with a key or a secret',
    writeOnly: true,
  },
)
