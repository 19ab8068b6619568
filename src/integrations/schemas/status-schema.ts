/** The wire form of the status of an integration. */
import { Type } from 'typebox'
import { FrozenSchema } from '../../http/problems/frozen-schema.ts'
import { type IntegrationState, STATES } from '../status.ts'

export const WantedState = Type.Unsafe<IntegrationState | 'frozen'>({
  type: 'string',
  enum: [...STATES, 'frozen'],
  description:
    '`frozen`: those that a freeze selects, in whatever state. Where a freeze selects by app or org, each integration is looked at',
})

const NullableTime = Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' })

const LeaseStatus = Type.Unsafe<unknown>({
  type: ['object', 'null'],
  properties: {
    token_id: { type: 'string' },
    issued_at: { type: 'string', format: 'date-time' },
    expires_at: { type: 'string', format: 'date-time' },
    refresh_at: { type: 'string', format: 'date-time' },
    expiry_source: { type: 'string' },
    proof: {
      type: 'string',
      description:
        '`no_api`: the token is live, but the REST API does not accept it, for example because of the api scope or the IP policy',
    },
    bound: {
      type: 'boolean',
      description:
        'Experimental. Present if the token request had a DPoP proof. False: Salesforce answered with a bearer token all the same',
    },
    key_thumbprint: {
      type: 'string',
      description: 'RFC 7638 thumbprint of the key that the token is bound to',
    },
  },
})

const ConnectionStatus = Type.Unsafe<unknown>({
  type: 'object',
  description:
    'For the grant `refresh_token`. `unsettled`: the result of the last use is not known yet',
  properties: {
    state: { type: 'string', enum: ['connected', 'unsettled', 'not_connected'] },
    reason: { type: ['string', 'null'], description: 'Why it is not connected' },
    since: { type: ['string', 'null'], format: 'date-time' },
  },
})

export const Status = Type.Object(
  {
    state: Type.Unsafe<IntegrationState>({ type: 'string', enum: [...STATES] }),
    shares_token_with: Type.Array(Type.String(), {
      description:
        'Integrations that hold the same access token and that you may see, at most 20 of them. Revoking the token ends it for all of them',
    }),
    shares_token_with_count: Type.Integer({
      description:
        'How many there are. If you may not see every integration, those that you may see among the first 100',
    }),
    lent_to: Type.Optional(
      Type.Array(Type.String(), {
        description:
          'Integrations that sign with its credential and that you may see. Absent in lists',
      }),
    ),
    lease: LeaseStatus,
    last_refusal: Type.Unsafe<unknown>({ type: ['object', 'null'], additionalProperties: true }),
    identity: Type.Unsafe<unknown>({
      type: ['object', 'null'],
      properties: {
        org_id: { type: ['string', 'null'] },
        user_id: { type: ['string', 'null'] },
        instance_url: { type: ['string', 'null'] },
        seen: {
          type: 'object',
          description:
            'Another identity that Salesforce gave. Its token is not served until it is accepted',
          properties: {
            org_id: { type: ['string', 'null'] },
            user_id: { type: ['string', 'null'] },
            instance_url: { type: 'string' },
            at: { type: 'string', format: 'date-time' },
          },
        },
      },
    }),
    connection: Type.Optional(ConnectionStatus),
    frozen: Type.Optional(FrozenSchema),
    logins_last_hour: Type.Integer(),
    certificate_expires_at: NullableTime,
  },
  { title: 'Integration status' },
)
