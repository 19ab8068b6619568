/** The wire form of the `dpop` member. */
import { Type } from 'typebox'
import { DPOP_MODES, type DpopMode } from '../../dpop/dpop-rule.ts'
import { KEY_VERSIONS, SignerSchema } from './credential-schema.ts'

const { name, key } = SignerSchema.properties

/** Where the key of proofs is. */
const ProofKeySchema = Type.Object(
  {
    signer: Type.Object(
      {
        ...{ name, key },
        key_version: Type.Optional(
          Type.Integer({
            ...KEY_VERSIONS,
            description:
              'Default: the one that the integration has, or else the newest one. It stays the same when the key is rotated at the signer',
          }),
        ),
      },
      {
        title: 'Proof key reference',
        additionalProperties: false,
        description:
          'A P-256 key that stays in Vault, OpenBao, AWS KMS or an HSM, which signs with it',
        examples: [{ name: 'vault', key: 'valetkey-proofs' }],
      },
    ),
  },
  {
    title: 'Proof key storage',
    additionalProperties: false,
    description: 'One key for the integration, which its credentials and connections share',
  },
)

export const DpopSchema = Type.Object(
  {
    mode: Type.Optional(
      Type.Unsafe<DpopMode>({
        ...{ type: 'string', enum: [...DPOP_MODES], default: 'off' },
        description:
          '`on`: token requests have a DPoP proof, so that Salesforce binds the token to the key of `key_storage`',
      }),
    ),
    key_storage: Type.Optional(
      Type.Union(
        [
          Type.Unsafe<'broker'>({
            ...{ type: 'string', enum: ['broker'] },
            description: 'P-256 keys, sealed in the store and shared by all replicas',
          }),
          ProofKeySchema,
        ],
        {
          default: 'broker',
          description: 'Where the key is. At a signer, each proof costs a signature there',
        },
      ),
    ),
  },
  {
    title: 'DPoP rule',
    additionalProperties: false,
    description:
      'Experimental: no Salesforce org has confirmed it. Tokens that work only with a proof for each request (RFC 9449). Needs the My Domain of the org',
  },
)
