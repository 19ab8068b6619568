/** `GET /integrations/summary`. */
import { type Static, Type } from 'typebox'
import { allowsSome } from '../../callers/policy.ts'
import { NAMED_IN_ANSWERS } from '../../callers/reference-table.ts'
import { BrokerError } from '../../errors/errors.ts'
import { operation } from '../../http/openapi/operation.ts'
import { problems } from '../../http/problems/problem.ts'
import type { Server } from '../../http/server/server.ts'
import { STATES } from '../status.ts'
import { createSummary, LABELS_MAX, type Summary, type SummaryDependencies } from './summary.ts'

const Counted = Type.Integer({ minimum: 0 })

const STATES_COUNTED = [...STATES, 'unusable'] as const

const IntegrationSummary = Type.Object(
  {
    complete: Type.Boolean({
      description:
        'False: the index is being built or is behind; some integrations are counted as they were, or not at all. Ask again in a minute',
    }),
    total: Counted,
    states: Type.Object(
      Object.fromEntries(STATES_COUNTED.map((state) => [state, Counted])) as Record<
        (typeof STATES_COUNTED)[number],
        typeof Counted
      >,
      { description: '`unusable`: those whose record cannot be used (`record_corrupt`)' },
    ),
    labels: Type.Array(Type.Object({ key: Type.String(), value: Type.String(), count: Counted }), {
      description: `The most frequent ones first, at most ${LABELS_MAX}`,
    }),
    labels_left_out: Type.Integer({ minimum: 0, description: 'Other labels' }),
    certificates: Type.Array(
      Type.Object({
        week: Type.String({ format: 'date', description: 'Its Monday, in UTC' }),
        count: Counted,
      }),
      { description: 'Active certificates by the week of their end, also of past weeks' },
    ),
    refusals: Type.Array(Type.Object({ reason: Type.String(), count: Counted }), {
      description:
        'Integrations whose last refusal is remembered, by its reason; also those whose token still lives',
    }),
  },
  {
    title: 'Integration summary',
    description: 'Of the integrations that you may see',
  },
)

export function registerSummaryRoute(server: Server, dependencies: SummaryDependencies): void {
  const summary = createSummary(dependencies)
  server.get(
    '/integrations/summary',
    operation('summariseIntegrations', 'integrations', {
      summary: 'How many integrations you may see, by state, label and end of the certificate',
      description:
        'Needs `integrations:read`. It costs the same for ten integrations and for a hundred thousand, if you may see all of them.',
      response: { 200: IntegrationSummary, ...problems() },
    }),
    async ({ principal }) => {
      if (!allowsSome(principal, NAMED_IN_ANSWERS)) {
        throw new BrokerError('caller_forbidden', `You lack ${NAMED_IN_ANSWERS}`)
      }
      return viewOf(await summary.of(principal))
    },
  )
}

function viewOf(summary: Summary): Static<typeof IntegrationSummary> {
  const { states, labels, certificates, refusals } = summary
  const counts = new Map(states.map(({ value, count }) => [value, count]))
  return {
    complete: summary.isComplete,
    total: states.reduce((sum, { count }) => sum + count, 0),
    states: Object.fromEntries(
      STATES_COUNTED.map((state) => [state, counts.get(state) ?? 0]),
    ) as Static<typeof IntegrationSummary>['states'],
    labels: labels.map(({ value, count }) => {
      const colon = value.indexOf(':')
      return { key: value.slice(0, colon), value: value.slice(colon + 1), count }
    }),
    labels_left_out: summary.labelsLeftOut,
    certificates: certificates.map(({ value, count }) => ({ week: value, count })),
    refusals: refusals.map(({ value, count }) => ({ reason: value, count })),
  }
}
