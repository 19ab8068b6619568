/** The wire form of a check of a token. */
import { type Static, Type } from 'typebox'
import type { CallersSight, Difference } from './difference.ts'
import { DIFFERENCES } from './difference.ts'
import type { TokenCheck } from './token-check.ts'

const Status = Type.Unsafe<number | null>({
  type: ['integer', 'null'],
  minimum: 100,
  maximum: 599,
  description: 'Null: Salesforce did not answer',
})

export const Seen = Type.Object(
  {
    seen: Type.Object(
      {
        status: Status,
        error_code: Type.Optional(
          Type.String({ maxLength: 100, description: '`errorCode` of the answer' }),
        ),
        message: Type.Optional(Type.String({ maxLength: 300 })),
        host: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 255,
            pattern: '^[A-Za-z0-9.:\\[\\]-]+$',
            $comment: 'a host name, with a port where there is one',
            description: 'Host that was called. Default: the host of `instance_url`',
          }),
        ),
        token_id: Type.Optional(
          Type.String({
            pattern: '^[A-Za-z0-9_-]{22}$',
            $comment:
              'a token id: the 22 letters, digits, hyphens and underscores that came with the token',
            description: 'Id of the token that was sent. Default: the current token',
          }),
        ),
      },
      { additionalProperties: false, description: 'The answer to a REST call with the token' },
    ),
  },
  {
    title: 'What the caller saw',
    additionalProperties: false,
    examples: [{ seen: { status: 401, error_code: 'INVALID_SESSION_ID' } }],
  },
)

export function callersSight({ seen }: Static<typeof Seen>): CallersSight {
  const { status, error_code: errorCode = '', message = '', host, token_id: tokenId } = seen
  return {
    ...{ status, errorCode, message },
    ...(host !== undefined && { host: host.toLowerCase() }),
    ...(tokenId !== undefined && { tokenId }),
  }
}

export const TokenCheckView = Type.Object(
  {
    integration: Type.String(),
    difference: Type.Unsafe<Difference>({
      type: 'string',
      enum: Object.keys(DIFFERENCES),
      description: Object.entries(DIFFERENCES)
        .map(([name, { meaning }]) => `\`${name}\`: ${meaning}`)
        .join('. '),
    }),
    detail: Type.String(),
    remedy: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Null if there is nothing to do',
    }),
    token_id: Type.String(),
    instance_url: Type.String(),
    scope: Type.Optional(Type.String()),
    here: Type.Object(
      {
        status: Status,
        error_code: Type.String({ description: 'Empty if there is none' }),
        message: Type.String({ description: 'Empty if there is none' }),
      },
      { description: 'The result of this service with the same token, at most 10 seconds old' },
    ),
  },
  { title: 'Check of a token', description: 'Why a token does not work for a caller' },
)

export function tokenCheckView(check: TokenCheck): Static<typeof TokenCheckView> {
  const { lease, here, difference, detail, remedy } = check
  return {
    integration: lease.integration,
    ...{ difference, detail, remedy },
    token_id: lease.tokenId,
    instance_url: lease.instanceUrl,
    ...(lease.scope !== undefined && { scope: lease.scope }),
    here: { status: here.status, error_code: here.errorCode, message: here.message },
  }
}
