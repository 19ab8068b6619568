/**
 * Serves `/docs`. The first request loads the library and renders the page, its scripts and styles
 * on a server that does not listen; later requests use memory.
 */
import { readdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { BrokerError } from '../../errors/errors.ts'
import { once } from '../../runtime/once.ts'
import type { Server } from '../server/server.ts'
import { type PublicAnswer, publicAnswer, sendPublicAnswer } from './public-answer.ts'

const PREFIX = '/docs'

/** Allows no external content. Omits the upgrade to https, because an internal host may not have it. */
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

/** The library shows a bearer key while it is typed; this script hides it. */
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

/** Files that the library generates. */
const MADE = [
  ...['', '/', '/static/index.html', '/static/swagger-initializer.js'],
  `/static/theme/${HIDE_KEYS.filename}`,
]

/** Response headers of the library that are kept. */
const KEPT = ['content-security-policy', 'location']

/** `documents` has the names that the page requests, such as `json`. */
export function registerDocsPage(
  server: Server,
  documents: Readonly<Record<string, () => PublicAnswer>>,
): void {
  const pages = once(readPages)
  const schema = { hide: true }
  for (const path of [PREFIX, `${PREFIX}/`, `${PREFIX}/static/*`]) {
    server.get(path, { schema }, async (request, reply) => {
      const answer = (await pages()).get(pathOf(request.url))
      if (!answer) throw new BrokerError('not_found', 'The API has no such path')
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
      // Without the top bar, which would load other documents.
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
        // The scripts exceed one megabyte, so only the compressed form is kept.
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
