/** The wire form of connections. */
import { type Static, Type } from 'typebox'
import { refusalMember, remedyIn } from '../grants/refusals/refusals.ts'
import { TEXT_FORMS } from '../http/text-forms.ts'
import {
  CONNECTION_FLOWS,
  CONNECTION_STATUSES,
  type Connection,
  type ConnectionStatus,
  type Flow,
  REASONS,
  reasonOf,
  statusOf,
} from './connection.ts'

export const ConnectionParams = Type.Object({
  name: Type.String({ ...TEXT_FORMS.name, description: 'Name of the integration' }),
  id: Type.String({
    pattern: '^[A-Za-z0-9_-]{1,64}$',
    $comment: '1 to 64 letters, digits, hyphens and underscores',
    description: 'Id of the connection',
  }),
})

const FlowMember = Type.Unsafe<Flow>({
  type: 'string',
  enum: [...CONNECTION_FLOWS],
  description:
    '`authorization_code`: a person opens a link and decides in a browser. Needs `VALETKEY_PUBLIC_URL`. `device`: a person enters a code at Salesforce. Since 30 November 2026, it works for few apps only',
})

export const ConnectBody = Type.Object(
  {
    flow: FlowMember,
    scopes: Type.Optional(
      Type.Array(
        Type.String({
          pattern: '^[a-z][a-z0-9_]{0,63}$',
          $comment: '1 to 64 lower-case letters, digits and underscores that begin with a letter',
        }),
        {
          minItems: 1,
          maxItems: 32,
          uniqueItems: true,
          description:
            'A subset of the scopes of the app. `refresh_token` is added. Default: all scopes of the app',
        },
      ),
    ),
  },
  {
    title: 'Connection to begin',
    additionalProperties: false,
    examples: [{ flow: 'authorization_code' }],
  },
)

const StatusMember = Type.Unsafe<ConnectionStatus>({
  type: 'string',
  enum: Object.keys(CONNECTION_STATUSES),
  description: Object.entries(CONNECTION_STATUSES)
    .map(([name, meaning]) => `\`${name}\`: ${meaning}`)
    .join('. '),
})

export const BegunConnection = Type.Object(
  {
    id: Type.String(),
    flow: FlowMember,
    status: StatusMember,
    expires_at: Type.String({ format: 'date-time' }),
    authorization_url: Type.Optional(
      Type.String({
        description:
          'For the person who decides. Anybody with this link can complete the connection, so send it like a secret',
      }),
    ),
    user_code: Type.Optional(
      Type.String({ description: 'The person enters it at `verification_uri`' }),
    ),
    verification_uri: Type.Optional(Type.String()),
    warning: Type.Optional(Type.String({ description: 'Restrictions of Salesforce' })),
  },
  {
    title: 'Begun connection',
    description: 'What the person at Salesforce needs. Only shown in this answer',
  },
)

const NullableText = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

export const ConnectionView = Type.Object(
  {
    id: Type.String(),
    integration: Type.String(),
    flow: FlowMember,
    status: StatusMember,
    begun_by: Type.String({ description: 'Id of the principal' }),
    began_at: Type.String({ format: 'date-time' }),
    expires_at: Type.String({ format: 'date-time' }),
    ended_at: Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' }),
    scopes: Type.Unsafe<readonly string[] | null>({
      type: ['array', 'null'],
      items: { type: 'string' },
      description: 'Null: all scopes of the app',
    }),
    reason: NullableText(
      `Why it failed: the code of a problem, or ${Object.keys(REASONS).join(', ')}`,
    ),
    detail: NullableText('The explanation, for people'),
    remedy: NullableText('The remedy, for people'),
    refusal: Type.Unsafe<ReturnType<typeof refusalMember> | null>({
      type: ['object', 'null'],
      description: 'The answer of Salesforce, as in a problem `grant_refused`',
    }),
    identity: Type.Unsafe<{
      org_id: string | null
      user_id: string | null
      instance_url: string
    } | null>({
      type: ['object', 'null'],
      description: 'Identity of its tokens: `org_id`, `user_id`, `instance_url`',
    }),
  },
  {
    title: 'Connection',
    description: 'The progress of a connection, which can be read for 7 days',
  },
)

/** Other possible causes of an expired connection. */
const LOST: Readonly<Record<Flow, { readonly detail: string; readonly remedy: string }>> = {
  authorization_code: {
    detail:
      'No browser came back. Either nobody decided, or Salesforce showed an error page of its own (OAUTH_EC_APP_NOT_FOUND, OAUTH_APPROVAL_ERROR_GENERIC, redirect_uri_mismatch, …), from which no browser comes back; or it could not reach the callback URL.',
    remedy:
      'Ask the person what Salesforce showed, and look its code up at /problems/salesforce; open the callback URL in their browser, to see that it leads here. Then begin again.',
  },
  device: {
    detail:
      'Nobody confirmed the code in time: or Salesforce showed an error page of its own to who entered it.',
    remedy:
      'Ask the person what Salesforce showed, and look its code up at /problems/salesforce. Then begin again.',
  },
}

const time = (at: number) => new Date(at).toISOString()

export function connectionViewOf(
  connection: Connection,
  now: number,
): Static<typeof ConnectionView> {
  const { identity, refusal, endedAt } = connection
  const reason = reasonOf(connection, now)
  const known = Object.entries(REASONS).find(([name]) => name === reason)
  const status = statusOf(connection, now)
  const lost = status === 'expired' ? LOST[connection.flow] : undefined
  return {
    id: connection.id,
    integration: connection.name,
    flow: connection.flow,
    status,
    begun_by: connection.by.id,
    began_at: time(connection.beganAt),
    expires_at: time(connection.expiresAt),
    ended_at: endedAt === null ? null : time(endedAt),
    scopes: connection.scopes,
    reason,
    detail: refusal?.cause ?? known?.[1] ?? lost?.detail ?? null,
    remedy: (refusal ? remedyIn(refusal) : lost?.remedy) ?? null,
    refusal: refusal && refusalMember(refusal),
    identity: identity && {
      org_id: identity.orgId,
      user_id: identity.userId,
      instance_url: identity.instanceUrl,
    },
  }
}
