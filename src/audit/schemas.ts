/** The wire form of the audit. */
import { type Static, type TSchema, Type } from 'typebox'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { ACTIONS, type Action } from './actions.ts'
import { type AuditOutcome, type EventDetail, OUTCOMES } from './event.ts'

const ActionSchema = Type.Unsafe<Action>({ type: 'string', enum: Object.keys(ACTIONS) })

const NullableText = Type.Unsafe<string | null>({ type: ['string', 'null'] })

/** Those of a proof are in its line alone. */
type StoredDetail = Exclude<keyof EventDetail, 'method' | 'path' | 'jti'>

const DETAIL = {
  reason: Type.Optional(Type.String({ description: "A problem's code or a refusal's reason" })),
  class: Type.Optional(Type.String({ description: 'Class of the refusal' })),
  operation: Type.Optional(Type.String({ description: 'The `operationId` of the route' })),
  address: Type.Optional(
    Type.String({
      description: "The caller's address, of denials; of several in one network, the network",
    }),
  ),
  count: Type.Optional(
    Type.Integer({
      description: 'With `since`: how many events this one stands for, of which `at` is the last',
    }),
  ),
  since: Type.Optional(
    Type.String({ format: 'date-time', description: 'Time of the first of them' }),
  ),
  integrations: Type.Optional(
    Type.Unsafe<readonly string[]>({
      type: 'array',
      items: { type: 'string' },
      description: 'Their integrations, if there are several. At most 20',
    }),
  ),
  connection: Type.Optional(Type.String({ description: 'Id of a connection' })),
  credential: Type.Optional(Type.String({ description: 'Id of a credential' })),
  to: Type.Optional(Type.String({ description: 'The integration that a credential was lent to' })),
  days: Type.Optional(
    Type.Integer({ description: 'Days until a certificate expires: 60, 30, 14, 7, 1, or 0' }),
  ),
  api_key: Type.Optional(Type.String({ description: 'Public id of an API key' })),
  freeze: Type.Optional(Type.String({ description: 'Id of a freeze' })),
  client: Type.Optional(
    Type.String({
      description: 'The principal that a client is by its token and its address',
    }),
  ),
  record: Type.Optional(Type.String({ description: 'Kind of a record of the store' })),
  network: Type.Optional(
    Type.String({ description: 'The /24 or /64 of a caller, or a keyed hash of it' }),
  ),
  reads: Type.Optional(Type.Integer({ description: 'Tokens that a caller read within the hour' })),
  usual: Type.Optional(Type.Integer({ description: 'Those of its busiest hour before' })),
} satisfies Record<StoredDetail, TSchema>

export const AuditEventSchema = Type.Object(
  {
    id: Type.String({ description: 'Unique among all replicas' }),
    at: Type.String({ format: 'date-time' }),
    principal: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Id of the principal. Null: nobody, or the service itself',
    }),
    action: ActionSchema,
    integration: NullableText,
    outcome: Type.Unsafe<AuditOutcome>({ type: 'string', enum: Object.keys(OUTCOMES) }),
    request_id: NullableText,
    token_id: Type.Optional(Type.String({ description: 'Public fingerprint of the token' })),
    detail: Type.Optional(Type.Object(DETAIL)),
  },
  {
    title: 'Audit event',
    description: 'Who did what, with the result. Never contains a token or a secret',
  },
)

export const AuditQuery = Type.Object(
  {
    integration: Type.Optional(
      Type.String({ ...TEXT_FORMS.name, description: 'Name of the integration' }),
    ),
    principal: Type.Optional(Type.String({ minLength: 1, maxLength: 1_024 })),
    action: Type.Optional(ActionSchema),
    since: Type.Optional(Type.String({ format: 'date-time', description: 'From this time on' })),
    until: Type.Optional(Type.String({ format: 'date-time', description: 'Before this time' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  },
  { additionalProperties: false },
)

export type AuditQuery = Static<typeof AuditQuery>

export const AuditEventList = Type.Object(
  {
    items: Type.Array(AuditEventSchema),
    next_cursor: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description:
        'For the next page; one request looks at 10,000 events at most, so a page may be short and still have a next one',
    }),
  },
  { title: 'Audit event list', description: 'Events, newest first' },
)
