/** `/problems`: the page for the `type` of each problem, for people (HTML, Markdown) and programs (JSON). */
import { Type } from 'typebox'
import { BrokerError } from '../../errors/errors.ts'
import { PROBLEMS, type ProblemCode, type ProblemRow } from '../../errors/problems.ts'
import { once } from '../../runtime/once.ts'
import { documented } from '../openapi/documented.ts'
import { operation } from '../openapi/operation.ts'
import { jsonOr } from '../openapi/representations.ts'
import {
  definitions,
  escaped,
  HTML_MEDIA_TYPE,
  HTML_POLICY,
  link,
  paragraph,
  renderHtml,
} from '../pages/html-page.ts'
import {
  acceptableAnswer,
  type PublicAnswer,
  publicAnswer,
  registerPublicAnswer,
  sendPublicAnswer,
} from '../pages/public-answer.ts'
import type { Server } from '../server/server.ts'
import { problems } from './problem.ts'

const Page = Type.Object(
  {
    type: Type.String(),
    code: Type.String(),
    status: Type.Integer(),
    waiting_status: Type.Optional(
      Type.Integer({ description: 'Its status if it is temporary, with `Retry-After`' }),
    ),
    title: Type.String(),
    meaning: Type.String(),
    remedy: Type.String(),
  },
  { title: 'Problem page', description: 'A problem explained' },
)

const CODES = Object.keys(PROBLEMS) as ProblemCode[]

function pageOf(code: ProblemCode) {
  const { status, waitingStatus, title, meaning, remedy }: ProblemRow = PROBLEMS[code]
  const waiting = waitingStatus === undefined ? {} : { waiting_status: waitingStatus }
  return { type: `/problems/${code}`, code, status, ...waiting, title, meaning, remedy }
}

const statusText = (code: ProblemCode): string => {
  const { status, waitingStatus }: ProblemRow = PROBLEMS[code]
  return waitingStatus === undefined
    ? `${status}`
    : `${status}, or ${waitingStatus} if it is temporary`
}

const markdownOf = (code: ProblemCode) => {
  const { title, meaning, remedy } = PROBLEMS[code]
  return `# ${title}\n\n\`${code}\`, status ${statusText(code)}\n\n${meaning}\n\n**What to do:** ${remedy}\n`
}

/** The table in `docs/errors.md`: one row for each problem. */
export function renderProblemTable(): string {
  const rows = CODES.map((code) => {
    const { meaning, remedy } = PROBLEMS[code]
    return `| \`${code}\` | ${statusText(code)} | ${meaning} | ${remedy} |`
  })
  return ['| code | status | meaning | what to do |', '|---|---|---|---|', ...rows].join('\n')
}

const htmlOf = (code: ProblemCode): string => {
  const { title, meaning, remedy } = PROBLEMS[code]
  return renderHtml({
    title,
    blocks: [
      paragraph(meaning),
      paragraph(`What to do: ${remedy}`),
      definitions([
        ['Code', `<code>${code}</code>`],
        ['Status', statusText(code)],
        ['More', link('/problems', 'all problems')],
      ]),
    ],
  })
}

const allInHtml = (): string =>
  renderHtml({
    title: 'Every problem that this service answers',
    blocks: [
      `<p>${link('/problems/salesforce', 'Errors of Salesforce')} have their own page.</p>`,
      definitions(
        CODES.map((code) => [link(`/problems/${code}`, code), escaped(PROBLEMS[code].title)]),
      ),
    ],
  })

const HTML_HEADERS = {
  'content-security-policy': HTML_POLICY,
  'x-content-type-options': 'nosniff',
}

/** The forms of a page; the first one is the default. */
export const pageAnswers = (
  content: unknown,
  markdown: string,
  html: string,
): readonly PublicAnswer[] => [
  publicAnswer('application/json; charset=utf-8', JSON.stringify(content)),
  publicAnswer('text/markdown; charset=utf-8', markdown),
  publicAnswer(HTML_MEDIA_TYPE, html, { headers: HTML_HEADERS }),
]

export function registerProblemPages(server: Server): void {
  registerPublicAnswer(server, '/problems', {
    ...operation('listProblems', 'service', {
      summary: 'Every problem that this service can answer',
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
    answers: () =>
      pageAnswers({ items: CODES.map(pageOf) }, CODES.map(markdownOf).join('\n'), allInHtml()),
  })
  const pages = once(
    () =>
      new Map(
        CODES.map((code): [string, readonly PublicAnswer[]] => [
          code,
          pageAnswers(pageOf(code), markdownOf(code), htmlOf(code)),
        ]),
      ),
  )
  server.get(
    '/problems/:code',
    operation('getProblem', 'service', {
      summary: 'Explains a problem and its remedy',
      security: [],
      params: Type.Object({
        code: Type.String({ maxLength: 64, ...documented({ enum: CODES }, ['maxLength']) }),
      }),
      response: {
        200: jsonOr(Page, 'text/markdown', 'text/html'),
        ...problems('not_found', 'not_acceptable'),
      },
    }),
    (request, reply) => {
      const answers = pages().get(request.params.code)
      if (!answers) throw new BrokerError('not_found', 'No problem has this code')
      sendPublicAnswer(reply, acceptableAnswer(request.headers.accept, answers))
    },
  )
}
