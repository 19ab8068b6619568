/** What needs a person, and what that person does about it. Pure. */
import type { Static } from 'typebox'
import { CERTIFICATE_REMEDY, NEAR_DAYS } from '../doctor/credential-checks.ts'
import { PROBLEMS, type ProblemCode } from '../errors/problems.ts'
import type { Freeze } from '../freezes/freeze.ts'
import { membersOf } from '../grants/org-api/org-api.ts'
import type { IntegrationView } from '../integrations/schemas/schemas.ts'
import type { IntegrationState } from '../integrations/status.ts'
import { spanText, timeText } from './durations.ts'

export type View = Static<typeof IntegrationView>

/** All texts are plain, and may be Salesforce's. */
export interface Attention {
  readonly name: string
  readonly what: string
  /** Names of facts and their values. */
  readonly facts: readonly (readonly [string, string])[]
}

const DAY_MS = 86_400_000

/** States that no time ends. The first needs a person most. */
export const NEEDY_STATES = [
  'refused',
  'not_connected',
  'identity_changed',
] as const satisfies readonly IntegrationState[]

/** The doctor's check fails for certificates that end before this time, in epoch milliseconds. It counts whole days. */
export const certificateLimit = (now: number): number => now + (NEAR_DAYS + 1) * DAY_MS

export function stateAttention({ name, status }: View): Attention {
  const { state, connection } = status
  if (state === 'not_connected') {
    const { reason } = membersOf(connection)
    return {
      ...{ name, what: state },
      facts: [...fact('Reason', reason), ...problemFacts('integration_not_connected', name)],
    }
  }
  if (state === 'identity_changed') {
    const {
      org_id: org,
      user_id: user,
      instance_url: url,
    } = membersOf(membersOf(status.identity).seen)
    return {
      ...{ name, what: state },
      facts: [
        ...fact(
          'Salesforce gave a token of',
          [
            ...(isText(user) ? [`user ${user}`] : []),
            ...(isText(org) ? [`org ${org}`] : []),
            ...(isText(url) ? [`at ${url}`] : []),
          ].join(', '),
        ),
        ...problemFacts('identity_changed', name),
      ],
    }
  }
  return { name, what: state, facts: refusalFacts(name, membersOf(status.last_refusal)) }
}

/** For a certificate that ends before {@link certificateLimit}. */
export function certificateAttention({ name, status }: View, now: number): Attention {
  const end = Date.parse(status.certificate_expires_at ?? '')
  const what =
    end < now ? 'its certificate has expired' : `its certificate ends in ${spanText(end - now)}`
  return {
    ...{ name, what },
    facts: [
      ['End', timeText(end)],
      ['Remedy', CERTIFICATE_REMEDY],
    ],
  }
}

/** What everybody sees of a freeze who sees an integration that it selects, and what those see who may order it. */
export type SeenFreeze = Pick<Freeze, 'id' | 'since' | 'reason'> &
  Partial<Pick<Freeze, 'by' | 'selector'>>

export const freezeAttention = ({ id, since, reason, by, selector }: SeenFreeze): Attention => ({
  ...{ name: id, what: 'a freeze is in force' },
  facts: [
    ['Since', timeText(since)],
    ['Reason', reason],
    ...fact('Ordered by', by),
    ...fact('Selects', selector && selectionText(selector)),
    [
      'Lift it',
      `\`valetkey thaw ${id}\` or \`DELETE /freezes/${id}\`; the key needs service:manage`,
    ],
  ],
})

/** Most of a kind that a person reads. */
const SELECTED_SHOWN = 10

function selectionText({ integrations, labels, clientIds, orgIds, all }: Freeze['selector']) {
  const kinds: readonly (readonly [string, readonly string[]])[] = [
    ['integrations', integrations],
    ['labels', Object.entries(labels).map(([key, value]) => `${key}:${value}`)],
    ['apps', clientIds],
    ['orgs', orgIds],
  ]
  if (all) return 'all integrations'
  return kinds
    .filter(([, values]) => values.length > 0)
    .map(([kind, values]) => {
      const more = values.length - SELECTED_SHOWN
      const shown = values.slice(0, SELECTED_SHOWN).join(', ')
      return `${kind} ${shown}${more > 0 ? ` and ${more} more` : ''}`
    })
    .join('; ')
}

export const unusableAttention = (name: string): Attention => ({
  ...{ name, what: 'its record cannot be used' },
  facts: problemFacts('record_corrupt', name),
})

function refusalFacts(
  name: string,
  refusal: Readonly<Record<string, unknown>>,
): Attention['facts'] {
  const { error, error_description: text, cause, detail, remedy, setup_path: path, at } = refusal
  const code = Object.keys(PROBLEMS).find((one): one is ProblemCode => one === refusal.code)
  const words = [error, text].filter(isText).join(': ')
  return [
    ...fact('Salesforce said', words === '' ? undefined : words),
    ...fact('Cause', cause ?? detail),
    ...fact(
      'Remedy',
      isText(remedy) ? remedy.replaceAll('{name}', name) : code && remedyOf(code, name),
    ),
    ...fact('In Salesforce', path),
    ...(isText(at) ? [['Last tried', timeText(Date.parse(at))] as const] : []),
  ]
}

const problemFacts = (code: ProblemCode, name: string): Attention['facts'] => [
  ['Cause', PROBLEMS[code].meaning],
  ['Remedy', remedyOf(code, name)],
]

const remedyOf = (code: ProblemCode, name: string): string =>
  PROBLEMS[code].remedy.replaceAll('{name}', name)

const fact = (label: string, value: unknown): Attention['facts'] =>
  isText(value) ? [[label, value]] : []

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
