/**
 * `/docs`: the page that shows the API. The library that makes it is loaded and asked once, on a
 * server that listens nowhere, when somebody looks at the page for the first time; from then on the
 * page, its scripts and its styles come from memory.
 */
import { readdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { BrokerError } from '../../errors/errors.ts'
import type { Server } from '../server/server.ts'
import { once, type PublicAnswer, publicAnswer, sendPublicAnswer } from './public-answer.ts'

const PREFIX = '/docs'

/** Nothing from elsewhere; and no upgrade to https, for a name within a network may not have it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The library shows a bearer key as it is typed; whoever looks over a shoulder should not see it. */
const HIDE_KEYS = {
  filename: 'hide-keys.js',
  content: `const hide = () => {
  for (const input of document.querySelectorAll('.auth-container input[type="text"]')) {
    if (input.id.includes('username')) continue
    input.type = 'password'
    input.autocomplete = 'off'
  }
}
new MutationObserver(hide).observe(document, { childList: true, subtree: true })
`,
}

/** What the library makes itself; the rest are its files. */
const MADE = [
  ...['', '/', '/static/index.html', '/static/swagger-initializer.js'],
  `/static/theme/${HIDE_KEYS.filename}`,
]

/** Headers that are kept of what the library answers. */
const KEPT = ['content-security-policy', 'location']

/** `documents`: by the name that the page asks for them, such as `json`. */
export function registerDocsPage(
  server: Server,
  documents: Readonly<Record<string, () => PublicAnswer>>,
): void {
  const pages = once(readPages)
  const schema = { hide: true }
  for (const path of [PREFIX, `${PREFIX}/`, `${PREFIX}/static/*`]) {
    server.get(path, { schema }, async (request, reply) => {
      const answer = (await pages()).get(pathOf(request.url))
      if (!answer) throw new BrokerError('not_found', 'The path is not one of the API')
      sendPublicAnswer(reply, answer)
      return reply
    })
  }
  for (const [name, document] of Object.entries(documents)) {
    server.get(`${PREFIX}/${name}`, { schema }, (_request, reply) =>
      sendPublicAnswer(reply, document()),
    )
  }
}

const pathOf = (url: string): string => url.split('?', 1)[0] ?? url

/** By path. */
async function readPages(): Promise<ReadonlyMap<string, PublicAnswer>> {
  const [{ default: Fastify }, { default: swagger }, { default: swaggerUi }] = await Promise.all([
    import('fastify'),
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
  ])
  const inner = Fastify()
  try {
    await inner.register(swagger)
    await inner.register(swaggerUi, {
      routePrefix: PREFIX,
      staticCSP: POLICY,
      theme: { title: 'Valetkey', js: [HIDE_KEYS] },
      // Without the bar on top, which would load other documents.
      uiConfig: {
        layout: 'BaseLayout',
        deepLinking: true,
        validatorUrl: null,
        persistAuthorization: false,
      },
    })
    const paths = [...MADE, ...(await fileNames()).map((name) => `/static/${name}`)]
    const pages = new Map<string, PublicAnswer>()
    for (const path of new Set(paths)) {
      const { statusCode: status, headers, rawPayload } = await inner.inject(PREFIX + path)
      if (status >= 400) throw new Error(`${PREFIX}${path} cannot be shown: ${status}`)
      const kept = KEPT.flatMap((name) =>
        typeof headers[name] === 'string' ? [[name, headers[name]] as const] : [],
      )
      const type = String(headers['content-type'] ?? 'text/plain; charset=utf-8')
      const options = {
        ...{ status, headers: Object.fromEntries(kept), revalidates: status === 200 },
        // Scripts of more than a megabyte: whoever asks for them can unpack them.
        ...(isLong(rawPayload) && { packed: { body: await pack(rawPayload), isUnasked: true } }),
      }
      pages.set(PREFIX + path, publicAnswer(type, rawPayload, options))
    }
    return pages
  } finally {
    await inner.close()
  }
}

const pack = promisify<Buffer, Buffer>(gzip)

const isLong = ({ length }: Buffer) => length > 64 * 1024

function fileNames(): Promise<readonly string[]> {
  const manifest = createRequire(import.meta.url).resolve('@fastify/swagger-ui/package.json')
  return readdir(join(dirname(manifest), 'static'))
}
