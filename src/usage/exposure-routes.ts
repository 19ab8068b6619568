/** `GET /incidents/exposure`: what the security team asks in the first hour. */
import { type Static, Type } from 'typebox'
import { allowsAll } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import type { Selector } from '../freezes/freeze.ts'
import { selectorTest } from '../freezes/selection.ts'
import { operation } from '../http/openapi/operation.ts'
import { jsonOr } from '../http/openapi/representations.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { CallerNetworks, networksView } from './caller-counts-routes.ts'
import { type Exposure, type ExposureReport, TOKEN_STATES } from './exposure.ts'
import { exposureCsv } from './exposure-csv.ts'

interface ExposureRouteDependencies {
  readonly exposure: Exposure
  /** The selector of a freeze, also of a lifted one. */
  readonly selectorOf: (freeze: string) => Promise<Selector | undefined>
  readonly now: () => number
}

const ExposureQuery = Type.Object(
  {
    since: Type.String({
      format: 'date-time',
      description: 'Not in the future. Before 30 days ago, the report is not complete',
    }),
    freeze: Type.Optional(
      Type.String({
        ...TEXT_FORMS.visible,
        maxLength: 64,
        description: 'What this freeze selects, also if it was lifted',
      }),
    ),
    integrations: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9-]{1,64}(,[a-z0-9-]{1,64}){0,99}$',
        $comment: '1 to 100 names with commas between them',
        description: '1 to 100 names with commas between them',
      }),
    ),
    label: Type.Optional(
      Type.String({
        pattern: '^[^:]{1,63}:.{0,128}$',
        $comment: 'a label as key:value',
        description: '`key:value`',
      }),
    ),
    client_id: Type.Optional(Type.String({ ...TEXT_FORMS.visible, maxLength: 512 })),
    org_id: Type.Optional(Type.String({ ...TEXT_FORMS.org_id })),
    all: Type.Optional(Type.Boolean()),
    cursor: Type.Optional(Type.String({ maxLength: 128 })),
  },
  { additionalProperties: false },
)

const NullableText = Type.Unsafe<string | null>({ type: ['string', 'null'] })
const Time = Type.String({ format: 'date-time' })

const ExposureView = Type.Object(
  {
    since: Time,
    integrations: Type.Array(Type.String(), { description: 'What was selected; at most 200' }),
    reads: Type.Array(
      Type.Object({
        integration: Type.String(),
        principal: Type.String(),
        count: Type.Integer({ description: 'Tokens handed out in the last 30 days, by UTC day' }),
        first_at: Type.String({ format: 'date-time', description: 'Within the last 30 days' }),
        last_at: Time,
        networks: Type.Optional(CallerNetworks),
      }),
      { description: 'Who fetched tokens since then' },
    ),
    tokens: Type.Array(
      Type.Object({
        integration: Type.String(),
        token_id: Type.String(),
        minted_at: Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' }),
        org_id: NullableText,
        user_id: NullableText,
        state: Type.Unsafe<(typeof TOKEN_STATES)[number]>({
          type: 'string',
          enum: [...TOKEN_STATES],
          description:
            '`live`: the current one. `revoking`: Salesforce must still end it. `revoked`: it has ended. `unknown`: it is no longer handed out, and ends with its session',
        }),
      }),
      { description: 'Tokens that were minted since then, and the current ones' },
    ),
    complete: Type.Boolean({
      description:
        'False: more tokens were minted than the stored events list, or `since` is more than 30 days ago, and reads are counted no longer. The audit lines have all of both',
    }),
    next_cursor: NullableText,
  },
  { title: 'Exposure' },
)

const NEEDS = 'audit:read'

/** Counts of reads go back 30 days. A day more, because they are of whole days. */
const COUNTED_MS = 31 * 86_400_000

export function registerExposureRoutes(
  server: Server,
  { exposure, selectorOf, now }: ExposureRouteDependencies,
): void {
  server.get(
    '/incidents/exposure',
    operation('getExposure', 'service', {
      summary: 'Who fetched which tokens since a time, and which of them live',
      description:
        'Needs `audit:read` over all integrations. JSON, or CSV if `Accept` is `text/csv`. The CSV ends with a line `incomplete` if `complete` is false, and with a line `more` that has the next cursor in `state`. A cell that a spreadsheet would take for a formula has an apostrophe before it. Selects what any of `freeze`, `integrations`, `label`, `client_id`, `org_id` and `all` selects.',
      querystring: ExposureQuery,
      response: {
        200: jsonOr(ExposureView, 'text/csv'),
        ...problems('freeze_not_found', 'not_acceptable'),
      },
    }),
    async (request, reply) => {
      if (!allowsAll(request.principal, NEEDS)) {
        throw new BrokerError('caller_forbidden', `You lack ${NEEDS} over all integrations`)
      }
      const { query, headers } = request
      const since = Date.parse(query.since)
      if (since > now()) throw new BrokerError('request_invalid', 'query/since is in the future')
      const tests = (await selectorsOf(query)).map(selectorTest)
      const found = await exposure.report(
        (integration, orgIds) => tests.some((selects) => selects(integration, orgIds)),
        since,
        query.cursor === undefined ? undefined : nameOf(query.cursor),
      )
      const isCounted = since >= now() - COUNTED_MS
      const report = { ...found, isComplete: found.isComplete && isCounted }
      reply.header('vary', 'accept').header('cache-control', 'no-store')
      if (!/\btext\/csv\b/i.test(headers.accept ?? '')) return viewOf(report, since)
      reply.type('text/csv; charset=utf-8').serializer(String)
      const next = report.next === null ? null : cursorOf(report.next)
      return reply.send(exposureCsv(report, next) as never)
    },
  )

  const selectorsOf = async (query: Static<typeof ExposureQuery>): Promise<readonly Selector[]> => {
    const { freeze, integrations, label, client_id: clientId, org_id: orgId, all = false } = query
    const given = [freeze, integrations, label, clientId, orgId].some((one) => one !== undefined)
    if (!given && !all) throw new BrokerError('request_invalid', 'query selects nothing')
    const colon = label?.indexOf(':') ?? 0
    const own: Selector = {
      integrations: integrations?.split(',') ?? [],
      labels: label === undefined ? {} : { [label.slice(0, colon)]: label.slice(colon + 1) },
      clientIds: clientId === undefined ? [] : [clientId],
      orgIds: orgId === undefined ? [] : [orgId],
      all,
    }
    if (freeze === undefined) return [own]
    const frozen = await selectorOf(freeze)
    if (!frozen) throw new BrokerError('freeze_not_found', 'No freeze has this id')
    return [own, frozen]
  }
}

const cursorOf = (name: string) => Buffer.from(name).toString('base64url')

function nameOf(cursor: string): string {
  const name = Buffer.from(cursor, 'base64url').toString()
  if (cursorOf(name) !== cursor || !/^[a-z0-9-]+$/.test(name)) {
    throw new BrokerError('request_invalid', 'query/cursor is not a cursor of this service')
  }
  return name
}

const viewOf = (report: ExposureReport, since: number): Static<typeof ExposureView> => ({
  since: new Date(since).toISOString(),
  integrations: [...report.integrations],
  reads: report.reads.map(({ integration, principal, count, firstAt, lastAt, networks }) => ({
    ...{ integration, principal, count },
    first_at: new Date(firstAt).toISOString(),
    last_at: new Date(lastAt).toISOString(),
    ...networksView(networks),
  })),
  tokens: report.tokens.map(({ integration, tokenId, mintedAt, orgId, userId, state }) => ({
    ...{ integration, token_id: tokenId, minted_at: mintedAt },
    ...{ org_id: orgId, user_id: userId, state },
  })),
  complete: report.isComplete,
  next_cursor: report.next === null ? null : cursorOf(report.next),
})
