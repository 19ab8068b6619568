/** The wire form of proofs. */
import { type Static, Type } from 'typebox'
import { TOKEN_ID } from '../serve/schemas.ts'

/** Most proofs of one request. */
const AT_ONCE = 20

/** A nonce of Salesforce. */
export const NONCE = {
  pattern: '^[!-~]{1,1024}$',
  $comment: '1 to 1,024 visible ASCII characters',
} as const

export const ProofBody = Type.Object(
  {
    requests: Type.Array(
      Type.Object(
        {
          method: Type.String({
            pattern: '^[A-Z]{1,20}$',
            $comment: '1 to 20 upper-case letters',
          }),
          url: Type.String({
            maxLength: 8_192,
            description:
              'Absolute, as it will be called. The proof covers it up to the query; a query is looked at for `_HttpMethod` alone',
          }),
        },
        { additionalProperties: false },
      ),
      {
        maxItems: AT_ONCE,
        description:
          'The requests that will be sent now, one proof for each try. None: the answer has the token and `instance_url`',
      },
    ),
    token_id: Type.Optional(
      Type.String({
        ...TOKEN_ID,
        description:
          'The `token_id` of the token that you have. If another one is current, the answer has that, and proofs for it',
      }),
    ),
    rejected: Type.Optional(
      Type.String({
        ...TOKEN_ID,
        description:
          'The `token_id` that Salesforce answered with 401: another token is wanted. One mint runs, however many ask.',
      }),
    ),
    nonce: Type.Optional(
      Type.String({
        ...NONCE,
        description:
          'The `DPoP-Nonce` that came with `use_dpop_nonce` (status 400 or 401). It counts for your proofs, until this service learns another one, and not for a token that replaces the rejected one',
      }),
    ),
  },
  { additionalProperties: false },
)

export const Proofs = Type.Object(
  {
    integration: Type.String(),
    token_type: Type.Literal('DPoP'),
    access_token: Type.String({
      description: 'The token for the header `Authorization: DPoP …`. It works with a proof only',
    }),
    token_id: Type.String({ description: 'Public fingerprint of the token, which may be logged' }),
    instance_url: Type.String({ description: 'Host for API calls with this token' }),
    expires_in: Type.Integer({ description: 'Remaining lifetime in seconds' }),
    proofs: Type.Array(Type.String(), {
      description: 'For the header `DPoP`, in the order of `requests`. Each is for one request',
    }),
  },
  {
    title: 'Proofs',
    description: 'Experimental. A bound access token, with a proof for each request',
  },
)

export type Proofs = Static<typeof Proofs>
