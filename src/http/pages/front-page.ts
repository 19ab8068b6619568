/** `GET /`: links for browsers; 404 for all other clients. */
import { BrokerError } from '../../errors/errors.ts'
import { once } from '../../runtime/once.ts'
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
import { publicAnswer, sendPublicAnswer } from './public-answer.ts'

interface FrontPageFacts {
  readonly version: string
  readonly docs: boolean
  /** Whether there is a status page. */
  readonly status: boolean
}

const TYPES = ['application/problem+json', 'text/html']

/** Registers the front page and the problem pages. */
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
      throw new BrokerError('not_found', 'The API has no such path')
    }
    sendPublicAnswer(reply, page())
  })
}

function htmlOf({ version, docs, status }: FrontPageFacts): string {
  const documents: readonly (readonly [string, string])[] = [
    [link('/docs'), 'the API, to read and to try'],
    [`${link('/openapi.json')}, ${link('/openapi.yaml')}`, 'the same for programs'],
  ]
  return renderHtml({
    title: 'Valetkey',
    blocks: [
      paragraph('A Salesforce token broker. Services call `GET /tokens/{integration}`.'),
      definitions([
        ...(status
          ? [[link('/status'), 'what needs a person, for people with an API key'] as const]
          : []),
        ...(docs ? documents : []),
        [link('/problems'), 'every problem of this service, and its remedy'],
        [link('/problems/salesforce'), 'errors of Salesforce, and their remedies'],
        [link('/readyz'), 'whether this replica can serve, check by check'],
        [link('/livez'), 'whether this process is alive'],
        ['Version', version],
      ]),
    ],
  })
}
