/** `GET /problems/salesforce`: explains the error codes and texts of Salesforce, for people and programs. */
import { Type } from 'typebox'
import { operation } from '../../http/openapi/operation.ts'
import { jsonOr } from '../../http/openapi/representations.ts'
import { escaped, paragraph, renderHtml } from '../../http/pages/html-page.ts'
import { registerPublicAnswer } from '../../http/pages/public-answer.ts'
import { problems } from '../../http/problems/problem.ts'
import { pageAnswers } from '../../http/problems/problem-pages.ts'
import type { Server } from '../../http/server/server.ts'
import type { Explanation, RefusalRow } from './refusal-row.ts'
import { REFUSALS } from './refusal-table.ts'
import { REST_REFUSALS, type RestRefusalRow } from './rest-refusal-table.ts'

interface Entry {
  readonly reason: string
  readonly said_by: 'oauth' | 'rest'
  /** As Salesforce writes them; any of them identifies the error. */
  readonly codes: readonly string[]
  /** Parts of the text, in lower case. */
  readonly texts: readonly string[]
  readonly statuses: readonly number[]
  readonly explanations: readonly {
    readonly cause: string
    readonly remedy: string
    readonly setup_path: string | null
  }[]
}

const Page = Type.Object(
  {
    reason: Type.String({ description: 'As in `refusal.reason`' }),
    said_by: Type.Unsafe<Entry['said_by']>({
      type: 'string',
      enum: ['oauth', 'rest'],
      description:
        '`oauth`: the token endpoint, the callback or a page of Salesforce; `rest`: the REST API',
    }),
    codes: Type.Array(Type.String(), { description: '`error`, or `errorCode`: any of them' }),
    texts: Type.Array(Type.String(), { description: 'Parts of the text, in lower case' }),
    statuses: Type.Array(Type.Integer(), {
      description: 'Statuses that identify it without a code',
    }),
    explanations: Type.Array(
      Type.Object(
        {
          cause: Type.String(),
          remedy: Type.String(),
          setup_path: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
        },
        { title: 'Explanation' },
      ),
      { description: 'Several if the cause depends on the request' },
    ),
  },
  { title: "Salesforce's refusal", description: 'An error of Salesforce, explained' },
)

/** Salesforce shows these codes in capitals. */
const isShouted = (code: string) => /^(?:oauth_)/.test(code)

const ENTRIES: readonly Entry[] = [
  ...Object.entries<RefusalRow>(REFUSALS)
    .filter(([, { texts, errors }]) => texts.length + errors.length > 0)
    .map(
      ([reason, { texts, errors, particulars = [], ...row }]): Entry => ({
        ...{ reason, said_by: 'oauth', texts, statuses: [] },
        codes: errors.map((code) => (isShouted(code) ? code.toUpperCase() : code)),
        explanations: distinct([row, ...particulars]),
      }),
    ),
  ...Object.entries<RestRefusalRow>(REST_REFUSALS).map(
    ([reason, { codes, texts = [], statuses = [], ...row }]): Entry => ({
      ...{ reason, said_by: 'rest', texts, statuses },
      codes: codes.map((code) => code.toUpperCase()),
      explanations: distinct([row]),
    }),
  ),
]

function distinct(all: readonly Explanation[]): Entry['explanations'] {
  const seen = new Map(
    all.map(({ cause, remedy, setupPath }) => [
      `${cause} ${remedy}`,
      { cause, remedy, setup_path: setupPath },
    ]),
  )
  return [...seen.values()]
}

const TITLE = 'What Salesforce says'
const INTRODUCTION =
  'Find the code or the text on the page of Salesforce, in `refusal` or in `salesforce`. An error page of Salesforce does not redirect the browser back to this service.'

const namesOf = ({ codes, texts, statuses }: Entry): readonly string[] => [
  ...codes,
  ...statuses.map((status) => `status ${status}`),
  ...texts.map((text) => `… ${text} …`),
]

const markdown = (): string =>
  [
    `# ${TITLE}`,
    INTRODUCTION,
    ...ENTRIES.map((entry) =>
      [
        `## ${entry.reason}`,
        namesOf(entry)
          .map((name) => `\`${name}\``)
          .join(', '),
        ...entry.explanations.map(
          ({ cause, remedy, setup_path }) =>
            `${cause}\n\n**What to do:** ${remedy}${setup_path === null ? '' : `\n\n*${setup_path}*`}`,
        ),
      ].join('\n\n'),
    ),
  ].join('\n\n')

/** Each code is an anchor for links. */
const html = (): string =>
  renderHtml({
    title: TITLE,
    blocks: [
      paragraph(INTRODUCTION),
      ...ENTRIES.flatMap((entry) => [
        `<h2 id="${escaped(`${entry.said_by}-${entry.reason}`)}">${namesOf(entry)
          .map((name) => `<code>${escaped(name)}</code>`)
          .join(', ')}</h2>`,
        ...entry.explanations.flatMap(({ cause, remedy, setup_path }) => [
          paragraph(cause),
          paragraph(`What to do: ${remedy}`),
          ...(setup_path === null ? [] : [paragraph(setup_path)]),
        ]),
      ]),
    ],
  })

export function registerRefusalPages(server: Server): void {
  registerPublicAnswer(server, '/problems/salesforce', {
    ...operation('listSalesforceRefusals', 'service', {
      summary: 'Explains the errors of Salesforce by code and text',
      description:
        'All known codes and texts, with cause, remedy and the place in Setup. Also explains the pages that Salesforce shows instead of redirecting the browser back.',
      security: [],
      response: {
        200: jsonOr(
          Type.Object({ items: Type.Array(Page) }, { description: 'All of them' }),
          'text/markdown',
          'text/html',
        ),
        ...problems('not_acceptable'),
      },
    }),
    answers: () => pageAnswers({ items: ENTRIES }, `${markdown()}\n`, html()),
  })
}
