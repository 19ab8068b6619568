/** `GET /`: for a browser the way to what people read; for everybody else there is nothing. */
import { BrokerError } from '../../errors/errors.ts'
import { registerProblemPages } from '../problems/problem-pages.ts'
import { chooseMediaType } from '../server/accept.ts'
import type { Server } from '../server/server.ts'
import {
  definitions,
  HTML_MEDIA_TYPE,
  HTML_POLICY,
  link,
  paragraph,
  renderHtml,
} from './html-page.ts'
import { once, publicAnswer, sendPublicAnswer } from './public-answer.ts'

export interface FrontPageFacts {
  readonly version: string
  /** Whether there is `/docs`. */
  readonly docs: boolean
}

const TYPES = ['application/problem+json', 'text/html']

/** The front page, and the pages of problems that it leads to. */
export function registerPublicPages(server: Server, facts: FrontPageFacts): void {
  registerProblemPages(server)
  registerFrontPage(server, facts)
}

function registerFrontPage(server: Server, facts: FrontPageFacts): void {
  const page = once(() =>
    publicAnswer(HTML_MEDIA_TYPE, htmlOf(facts), {
      headers: { 'content-security-policy': HTML_POLICY, 'x-content-type-options': 'nosniff' },
      revalidates: true,
    }),
  )
  server.get('/', { schema: { hide: true } }, (request, reply) => {
    if (chooseMediaType(request.headers.accept, TYPES) !== 1) {
      throw new BrokerError('not_found', 'The path is not one of the API')
    }
    sendPublicAnswer(reply, page())
  })
}

function htmlOf({ version, docs }: FrontPageFacts): string {
  const documents: readonly (readonly [string, string])[] = [
    [link('/docs'), 'the API, to read and to try out'],
    [`${link('/openapi.json')}, ${link('/openapi.yaml')}`, 'the same for programs'],
  ]
  return renderHtml({
    title: 'Valetkey',
    blocks: [
      paragraph(
        'A Salesforce token broker. Services ask it with `GET /tokens/{integration}`; it has no pages to log in to.',
      ),
      definitions([
        ...(docs ? documents : []),
        [link('/problems'), 'every error that it answers, and what to do about it'],
        [link('/problems/salesforce'), 'what Salesforce says when it says no, and what to do'],
        [link('/readyz'), 'whether this replica can serve, check by check'],
        [link('/livez'), 'whether this process lives'],
        ['Version', version],
      ]),
    ],
  })
}
