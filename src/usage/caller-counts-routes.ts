/** `GET /integrations/{name}/callers`. */
import { Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import type { Integration } from '../integrations/integration.ts'
import { visibleIntegration } from '../integrations/references/visible.ts'
import { NameParams, PageParameters } from '../integrations/schemas/schemas.ts'
import type { CallerCounts } from './caller-counts.ts'
import type { CallerRow, RequestRow } from './caller-days.ts'

interface CallerCountsRouteDependencies {
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly counts: Pick<CallerCounts, 'read'>
}

const DEFAULT_LIMIT = 50

const CalledRequestSchema = Type.Object(
  {
    method: Type.String(),
    path: Type.String({
      description: 'As in `requests` of a key: `*` stands for versions, ids and other values',
    }),
    outcome: Type.Unsafe<'permitted' | 'refused'>({
      type: 'string',
      enum: ['permitted', 'refused'],
      description: 'Whether proofs were signed, or `requests` of the principal permitted none',
    }),
    first_at: Type.String({ format: 'date-time' }),
    last_at: Type.String({ format: 'date-time', description: 'Within the last 30 days' }),
    count: Type.Integer({ description: 'Since `first_at`' }),
  },
  { title: 'Called request' },
)

export const CallerNetworks = Type.Array(
  Type.Object(
    {
      network: Type.String({
        description:
          'A keyed hash, which `detail.network` of `caller.new_network` has, too; with `VALETKEY_CALLER_NETWORKS=plain` the /24 of an IPv4 address or the /64 of an IPv6 address',
      }),
      last_on: Type.String({ format: 'date', description: 'The last day, in UTC' }),
    },
    { title: 'Caller network' },
  ),
  {
    description:
      'Networks that it used in the last 30 days, at most 32, the last ones first. Absent: none is stored, for example because `watch` is false',
  },
)

const CallerCountSchema = Type.Object(
  {
    principal: Type.String(),
    first_at: Type.String({ format: 'date-time', description: 'Within the last 30 days' }),
    last_at: Type.String({ format: 'date-time' }),
    count: Type.Integer({ description: 'Tokens handed out in the last 30 days, by UTC day' }),
    networks: Type.Optional(CallerNetworks),
    requests: Type.Optional(
      Type.Array(CalledRequestSchema, {
        description:
          'Experimental. The requests to Salesforce for which it asked for proofs, or for a token at the gateway door that works with proofs only. At most 64, by path. Absent: none. `valetkey policy suggest` makes patterns of them',
      }),
    ),
  },
  { title: 'Caller count' },
)

const CallerCountList = Type.Object(
  {
    items: Type.Array(CallerCountSchema),
    next_cursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  },
  {
    title: 'Caller count list',
    description: 'The principals that fetched tokens in the last 30 days',
  },
)

export function registerCallerCountsRoutes(
  server: Server,
  { integrations, counts }: CallerCountsRouteDependencies,
): void {
  server.get(
    '/integrations/:name/callers',
    operation('listIntegrationCallers', 'integrations', {
      summary: 'Lists the principals that fetched tokens of an integration in the last 30 days',
      description:
        'Needs `integrations:read`. Sorted by principal. Each replica adds its counts every 10 seconds.',
      params: NameParams,
      querystring: Type.Object(PageParameters, { additionalProperties: false }),
      response: { 200: CallerCountList, ...problems('integration_not_found') },
    }),
    async (request) => {
      const { name } = request.params
      const integration = await visibleIntegration(name, {
        integrations,
        principal: request.principal,
        permission: 'integrations:read',
      })
      const { limit = DEFAULT_LIMIT, cursor } = request.query
      const from = cursor === undefined ? 0 : placeOf(cursor)
      const { rows, withNetworks } = await counts.read(integration)
      const page = rows.slice(from, from + limit).map(withNetworks)
      return {
        items: page.map(({ principal, firstAt, lastAt, count, networks, requests }) => ({
          principal,
          ...spanView({ firstAt, lastAt }),
          count,
          ...networksView(networks),
          ...(requests && { requests: requests.map(requestView) }),
        })),
        next_cursor: from + limit < rows.length ? cursorOf(from + limit) : null,
      }
    },
  )
}

const spanView = ({ firstAt, lastAt }: Pick<CallerRow, 'firstAt' | 'lastAt'>) => ({
  first_at: new Date(firstAt).toISOString(),
  last_at: new Date(lastAt).toISOString(),
})

export const networksView = (networks: CallerRow['networks']) =>
  networks && {
    networks: networks.map(({ network, lastOn }) => ({ network, last_on: lastOn })),
  }

const requestView = ({ method, path, outcome, count, ...span }: RequestRow) => ({
  ...{ method, path, outcome },
  ...spanView(span),
  count,
})

const cursorOf = (place: number) => Buffer.from(`callers:${place}`).toString('base64url')

function placeOf(cursor: string): number {
  const place = Number(/^callers:(\d{1,4})$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1])
  if (Number.isNaN(place) || cursorOf(place) !== cursor) {
    throw new BrokerError('request_invalid', 'query/cursor is not a cursor of this service')
  }
  return place
}
