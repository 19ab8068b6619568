/** The OpenAPI 3.1 document, generated from the routes, and the page that shows it. */
import { gzipSync } from 'node:zlib'
import swagger from '@fastify/swagger'
import { stringify } from 'yaml'
import { registerDocsPage } from '../pages/docs-page.ts'
import { once, publicAnswer, registerPublicAnswer } from '../pages/public-answer.ts'
import type { Server } from '../server/server.ts'
import { nameComponents } from './components.ts'
import { type DescribedApi, withDerivedProblems } from './derived-problems.ts'
import { withDocumented } from './documented.ts'
import { withLinks } from './links.ts'
import { withWorkedExamples } from './worked-examples.ts'

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
          'A headless Salesforce token broker. Services call `GET /tokens/{integration}`; operators register integrations and rotate their credentials.\n\nTo try it out, press Authorize and paste a key. The admin key of a service that made its own is in the file `admin.key` of its data folder (`VALETKEY_DATA_DIR`, `./data` by default), and `npm run demo` prints where; else it is what `VALETKEY_ADMIN_KEY` says. The examples are for what `npm run demo` sets up.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags: [...TAGS],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description:
              'The admin key (in the file `admin.key` of the data folder, where the service made it), an API key, or a JWT of a configured issuer',
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
      const api = described.openapiObject as DescribedApi & typeof described.openapiObject
      return nameComponents(withWorkedExamples(withLinks(withDerivedProblems(withDocumented(api)))))
    },
  })
}

/** `/openapi.json`, `/openapi.yaml` and `/docs`, each made once, with the first request for it. */
export function serveApiDescription(server: Server): void {
  const inJson = once(() =>
    longAnswer('application/json; charset=utf-8', JSON.stringify(server.swagger())),
  )
  const inYaml = once(() => longAnswer('application/yaml', renderOpenapi(server)))
  const schema = { hide: true }
  registerPublicAnswer(server, '/openapi.json', { schema, answers: () => [inJson()] })
  registerPublicAnswer(server, '/openapi.yaml', { schema, answers: () => [inYaml()] })
  registerDocsPage(server, { json: inJson, yaml: inYaml })
}

const longAnswer = (mediaType: string, text: string) =>
  publicAnswer(mediaType, text, {
    revalidates: true,
    packed: { body: gzipSync(text), isUnasked: false },
  })

/** The committed `openapi.yaml` is this text. */
export function renderOpenapi(server: Server): string {
  return stringify(server.swagger(), {
    lineWidth: 100,
    aliasDuplicateObjects: false,
    // Quotes what older readers of YAML take for a boolean, such as `off`.
    compat: 'yaml-1.1',
  })
}
