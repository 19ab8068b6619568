/** `/problems`: the page behind every problem's `type`, for people (Markdown) and programs (JSON). */
import { Type } from 'typebox'
import { BrokerError, PROBLEMS, type ProblemCode, type ProblemRow } from '../errors.ts'
import { prefersMarkdown } from './accept.ts'
import { problems } from './problem.ts'
import type { Server } from './server.ts'

const Page = Type.Object(
  {
    type: Type.String(),
    code: Type.String(),
    status: Type.Integer(),
    waiting_status: Type.Optional(
      Type.Integer({ description: 'Its status where it passes by itself, with `Retry-After`' }),
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
    : `${status}, or ${waitingStatus} while waiting helps`
}

const markdownOf = (code: ProblemCode) => {
  const { title, meaning, remedy } = PROBLEMS[code]
  return `# ${title}\n\n\`${code}\`, status ${statusText(code)}\n\n${meaning}\n\n**What to do:** ${remedy}\n`
}

/** The table in the README, one row a problem. */
export function renderProblemTable(): string {
  const rows = CODES.map((code) => {
    const { meaning, remedy } = PROBLEMS[code]
    return `| \`${code}\` | ${statusText(code)} | ${meaning} | ${remedy} |`
  })
  return ['| code | status | meaning | what to do |', '|---|---|---|---|', ...rows].join('\n')
}

export function registerProblemPages(server: Server): void {
  server.get(
    '/problems',
    {
      schema: {
        tags: ['service'],
        operationId: 'listProblems',
        summary: 'Every problem that this service can answer',
        security: [],
        response: {
          200: Type.Object({ items: Type.Array(Page) }, { description: 'All of them' }),
          ...problems('not_acceptable'),
        },
      },
    },
    async (request, reply) => {
      if (!prefersMarkdown(request.headers.accept)) return { items: CODES.map(pageOf) }
      reply.type('text/markdown; charset=utf-8').serializer(String)
      return reply.send(CODES.map(markdownOf).join('\n') as never)
    },
  )
  server.get(
    '/problems/:code',
    {
      schema: {
        tags: ['service'],
        operationId: 'getProblem',
        summary: 'What a problem means and what to do about it',
        security: [],
        params: Type.Object({ code: Type.String({ maxLength: 64 }) }),
        response: { 200: Page, ...problems('not_found', 'not_acceptable') },
      },
    },
    async (request, reply) => {
      const code = CODES.find((known) => known === request.params.code)
      if (!code) throw new BrokerError('not_found', 'There is no problem with this code')
      if (!prefersMarkdown(request.headers.accept)) return pageOf(code)
      reply.type('text/markdown; charset=utf-8').serializer(String)
      return reply.send(markdownOf(code) as never)
    },
  )
}
