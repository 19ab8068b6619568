/** The wire form of a new credential. */
import { Type } from 'typebox'
import { documented } from '../../http/openapi/documented.ts'
import { TEXT_FORMS } from '../../http/text-forms.ts'

export const GenerateSchema = Type.Object(
  {
    key_bits: Type.Optional(
      Type.Unsafe<2048 | 3072 | 4096>({ type: 'integer', enum: [2048, 3072, 4096], default: 2048 }),
    ),
    days: Type.Optional(Type.Integer({ minimum: 1, maximum: 825, default: 365 })),
    common_name: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  },
  {
    title: 'Key to make',
    additionalProperties: false,
    description: 'Generates the key pair in the broker. The private key never leaves it',
  },
)

export const CredentialSchema = Type.Object(
  {
    private_key: Type.Optional(
      Type.String({
        maxLength: 65_536,
        description:
          'PEM, PKCS#1 or PKCS#8, RSA of 2048 bits or more. An encrypted key needs `passphrase`',
        ...documented({ pattern: 'PRIVATE.KEY', $comment: 'a private key in PEM' }),
      }),
    ),
    certificate: Type.Optional(
      Type.String({
        maxLength: 65_536,
        description:
          'The certificate of this private key, in PEM, at most 4,000 characters from BEGIN to END',
        ...documented({ pattern: 'CERTIFICATE', $comment: 'a certificate in PEM' }),
      }),
    ),
    keystore: Type.Optional(
      Type.String({
        minLength: 24,
        maxLength: 65_536,
        description:
          'A PKCS#12 file or a Java keystore (JKS) in base64, instead of `private_key` and `certificate`',
      }),
    ),
    passphrase: Type.Optional(
      Type.String({
        maxLength: 512,
        description: 'Passphrase of the keystore, or of the encrypted private key',
      }),
    ),
    alias: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'Alias of the key in the keystore. Required if there are several keys',
      }),
    ),
    client_secret: Type.Optional(
      Type.String({ maxLength: 512, ...documented({ minLength: 1, ...TEXT_FORMS.visible }) }),
    ),
    refresh_token: Type.Optional(
      Type.String({
        maxLength: 4_096,
        ...documented({ minLength: 1, ...TEXT_FORMS.visible }),
        description:
          'For the grant `refresh_token`. From now on, no other program may use this token',
      }),
    ),
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
      'Exactly one of `private_key` (with `certificate`), `keystore`, `client_secret`, `generate`, `from`. For the grant `refresh_token`: a `refresh_token`, alone or with a key or a secret',
    writeOnly: true,
  },
)
