/** The wire form of freezes. */
import { type Static, Type } from 'typebox'
import { TEXT_FORMS } from '../http/text-forms.ts'
import type { Selector } from './freeze.ts'
import { FAILURES_SHOWN, type FreezeReport } from './progress.ts'

const LIST = { minItems: 1, maxItems: 1_000, uniqueItems: true }

const SelectorBody = Type.Object(
  {
    integrations: Type.Optional(
      Type.Array(Type.String({ ...TEXT_FORMS.name }), {
        ...LIST,
        description: 'By name, whether they exist already or not',
      }),
    ),
    labels: Type.Optional(
      Type.Unsafe<Record<string, string>>({
        type: 'object',
        description: 'Those that have all of these labels',
        minProperties: 1,
        maxProperties: 16,
        propertyNames: { type: 'string', ...TEXT_FORMS.label_key },
        additionalProperties: { type: 'string', ...TEXT_FORMS.label_value },
      }),
    ),
    client_ids: Type.Optional(
      Type.Array(Type.String({ ...TEXT_FORMS.visible, maxLength: 512 }), {
        ...LIST,
        description: 'Those that log in as this app, also with a staged or retired credential',
      }),
    ),
    org_ids: Type.Optional(
      Type.Array(Type.String({ ...TEXT_FORMS.org_id }), {
        ...LIST,
        description: 'Those whose tokens belong to this org; 15 and 18 characters are the same',
      }),
    ),
    all: Type.Optional(Type.Boolean({ description: 'All integrations' })),
  },
  {
    title: 'Selector',
    description: 'Selects an integration if any of its members does, now or later',
    minProperties: 1,
    additionalProperties: false,
  },
)

export const FreezeBody = Type.Object(
  {
    selector: SelectorBody,
    reason: Type.String({
      ...TEXT_FORMS.printable,
      minLength: 1,
      maxLength: 500,
      description: 'Callers see it, so it must contain no secret',
    }),
    revoke: Type.Optional(
      Type.Boolean({ default: true, description: 'Whether live tokens are revoked at Salesforce' }),
    ),
    revoke_refresh_tokens: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'Whether refresh tokens are revoked, too. A person at Salesforce must connect these integrations again afterwards. Needs `revoke`',
      }),
    ),
  },
  { title: 'Freeze order', additionalProperties: false },
)

const NullableTime = Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' })
const NullableText = Type.Unsafe<string | null>({ type: ['string', 'null'] })

export const FreezeView = Type.Object(
  {
    id: Type.String(),
    selector: SelectorBody,
    reason: Type.String(),
    since: Type.String({ format: 'date-time' }),
    by: Type.String({ description: 'The principal that ordered it' }),
    revoke: Type.Boolean(),
    revoke_refresh_tokens: Type.Boolean(),
    state: Type.Unsafe<FreezeReport['state']>({
      type: 'string',
      enum: ['revoking', 'done', 'lifted'],
      description:
        '`revoking`: in force, and tokens are still being ended at Salesforce. `done`: in force, and all of them have ended. `lifted`: no longer in force',
    }),
    integrations: Type.Object(
      {
        selected: Type.Unsafe<number | null>({
          type: ['integer', 'null'],
          description: 'At the last count. Null: they were not counted yet',
        }),
        looked_at: Type.Integer(),
      },
      { description: 'Integrations that it selects, and how many were searched for tokens' },
    ),
    tokens: Type.Object(
      {
        done: Type.Integer({ description: 'Ended at Salesforce' }),
        left: Type.Integer({ description: 'Salesforce was not yet asked to end them' }),
        failed: Type.Integer({
          description: 'Salesforce was asked, and did not end them yet. They are tried for 7 days',
        }),
      },
      {
        description:
          'Live tokens that it found, with `revoke_refresh_tokens` also refresh tokens. A token of several integrations counts once',
      },
    ),
    connections_ended: Type.Integer({
      description: 'Connections that ended. Their refresh tokens are among `tokens`',
    }),
    failures: Type.Array(
      Type.Object({
        integration: NullableText,
        token_id: Type.String(),
        reason: Type.String({ description: 'Code of the last failure' }),
        tries: Type.Integer(),
        next_try_at: Type.String({ format: 'date-time' }),
      }),
      { description: `At most ${FAILURES_SHOWN} of the tokens that failed` },
    ),
    lifted_at: NullableTime,
    lifted_by: NullableText,
  },
  { title: 'Freeze' },
)

export const FreezeList = Type.Object(
  {
    items: Type.Array(FreezeView),
    next_cursor: Type.Null({ description: 'All freezes in force are in one page' }),
  },
  { title: 'Freezes' },
)

export const FreezeParams = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64, ...TEXT_FORMS.visible }),
})

export const selectorOf = (body: Static<typeof SelectorBody>): Selector => ({
  integrations: body.integrations ?? [],
  labels: body.labels ?? {},
  clientIds: body.client_ids ?? [],
  orgIds: body.org_ids ?? [],
  all: body.all ?? false,
})

/** Without the members that select nothing. */
const selectorViewOf = (selector: Selector): Static<typeof SelectorBody> => ({
  ...(selector.integrations.length > 0 && { integrations: [...selector.integrations] }),
  ...(Object.keys(selector.labels).length > 0 && { labels: { ...selector.labels } }),
  ...(selector.clientIds.length > 0 && { client_ids: [...selector.clientIds] }),
  ...(selector.orgIds.length > 0 && { org_ids: [...selector.orgIds] }),
  ...(selector.all && { all: true }),
})

const time = (at: number) => new Date(at).toISOString()

export function freezeViewOf(report: FreezeReport): Static<typeof FreezeView> {
  const { freeze, progress, tokens, failures, state } = report
  const { id, selector, reason, since, by, revoke, revokeRefreshTokens } = freeze
  return {
    ...{ id, selector: selectorViewOf(selector), reason, since: time(since), by, revoke },
    revoke_refresh_tokens: revokeRefreshTokens,
    state,
    integrations: { selected: progress.selected, looked_at: progress.lookedAt },
    tokens: { ...tokens },
    connections_ended: progress.connections,
    failures: failures.map((failure) => ({
      integration: failure.integration,
      token_id: failure.tokenId,
      reason: failure.reason ?? 'internal',
      tries: failure.tries,
      next_try_at: time(failure.nextAt),
    })),
    lifted_at: progress.lifted ? time(progress.lifted.at) : null,
    lifted_by: progress.lifted?.by ?? null,
  }
}
