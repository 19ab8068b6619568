/** The OpenAPI 3.1 document, generated from the routes, and the page that shows it. */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { stringify } from 'yaml'
import { nameComponents } from './components.ts'
import type { Server } from './server.ts'

export const TAGS = [
  { name: 'tokens', description: 'Salesforce access tokens for services' },
  {
    name: 'integrations',
    description: 'One OAuth client at one Salesforce org, acting as one user',
  },
  { name: 'credentials', description: 'What an integration proves itself with, and its rotation' },
  { name: 'callers', description: 'Who may call' },
  { name: 'service', description: 'The service itself' },
] as const

/** Must be registered before the routes that it is to describe. */
export async function describeApi(server: Server, version: string): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Valetkey',
        version,
        description:
          'A headless Salesforce token broker. Services call `GET /tokens/{integration}`; operators register integrations and rotate their credentials.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags: [...TAGS],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'The admin key, an API key, or a JWT of a configured issuer',
          },
          basic: {
            type: 'http',
            scheme: 'basic',
            description: 'For `POST /oauth/token`: id and text of an API key, as an OAuth client',
          },
        },
      },
      security: [{ bearer: [] }],
    },
    hideUntagged: true,
    transformObject: (described) => {
      if (!('openapiObject' in described)) throw new Error('the document must be OpenAPI 3')
      return nameComponents(described.openapiObject)
    },
  })
}

/** Nothing from elsewhere; and no upgrade to https, for a name within a network may not have it. */
const DOCS_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** `/openapi.json`, `/openapi.yaml` and `/docs`, all served from this process. */
export async function serveApiDescription(server: Server): Promise<void> {
  await server.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_POLICY,
    theme: { title: 'Valetkey' },
    // Without the bar on top, which would load other documents.
    uiConfig: {
      layout: 'BaseLayout',
      deepLinking: true,
      validatorUrl: null,
      persistAuthorization: false,
    },
  })
  server.get('/openapi.json', { schema: { hide: true } }, async () => server.swagger())
  server.get('/openapi.yaml', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/yaml').send(renderOpenapi(server)),
  )
}

/** The committed `openapi.yaml` is this text. */
export function renderOpenapi(server: Server): string {
  return stringify(server.swagger(), {
    lineWidth: 100,
    aliasDuplicateObjects: false,
    // Quotes what older readers of YAML take for a boolean, such as `off`.
    compat: 'yaml-1.1',
  })
}
