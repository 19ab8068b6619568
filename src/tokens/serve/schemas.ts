/** The wire form of tokens. */
import { type Static, Type } from 'typebox'
import { TEXT_FORMS } from '../../http/text-forms.ts'

export const TokenParams = Type.Object({
  integration: Type.String({ ...TEXT_FORMS.name, description: 'Name of the integration' }),
})

/** The form of a token id. */
export const TOKEN_ID = {
  pattern: '^[A-Za-z0-9_-]{22}$',
  $comment: 'a token id: the 22 letters, digits, hyphens and underscores that came with the token',
} as const

export const TokenQuery = Type.Object(
  {
    min_ttl: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 3_600,
        description:
          'Seconds that the token must be good for, or a tenth of its lifetime where that is less. Default 30; where a caller names none, a token that lives is served as it is if its replacement takes more than a quarter of a second',
      }),
    ),
    rejected: Type.Optional(
      Type.String({
        ...TOKEN_ID,
        description:
          'The `token_id` that Salesforce answered with 401: another token is wanted. One mint runs, however many ask.',
      }),
    ),
  },
  { additionalProperties: false },
)

export const Token = Type.Object(
  {
    integration: Type.String(),
    access_token: Type.String({
      description: 'The token for the header `Authorization: Bearer …`',
    }),
    token_type: Type.Literal('Bearer'),
    instance_url: Type.String({ description: 'Host for API calls with this token' }),
    api_instance_url: Type.Optional(Type.String()),
    scope: Type.Optional(Type.String()),
    issued_at: Type.String({ format: 'date-time' }),
    expires_at: Type.String({ format: 'date-time' }),
    expires_in: Type.Integer({ description: 'Remaining lifetime in seconds' }),
    expiry_source: Type.Unsafe<'expires_in' | 'token_exp' | 'introspection' | 'configured'>({
      type: 'string',
      enum: ['expires_in', 'token_exp', 'introspection', 'configured'],
    }),
    token_id: Type.String({ description: 'Public fingerprint of the token, which may be logged' }),
    bound: Type.Optional(
      Type.Literal(false, {
        description:
          'Experimental. Present if the token was requested with a DPoP proof, and Salesforce answered with a bearer token all the same',
      }),
    ),
    org_id: Type.Optional(Type.String()),
    user_id: Type.Optional(Type.String()),
    identity_url: Type.Optional(Type.String()),
  },
  { title: 'Token', description: 'An access token and its host' },
)

export type Token = Static<typeof Token>
