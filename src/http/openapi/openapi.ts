/** The OpenAPI 3.1 document, generated from the routes, and the page that shows it. */
import { gzipSync } from 'node:zlib'
import swagger from '@fastify/swagger'
import { Scalar, stringify } from 'yaml'
import { once } from '../../runtime/once.ts'
import { registerDocsPage } from '../pages/docs-page.ts'
import { publicAnswer, registerPublicAnswer } from '../pages/public-answer.ts'
import type { Server } from '../server/server.ts'
import { nameComponents } from './components.ts'
import { type DescribedApi, withDerivedProblems } from './derived-problems.ts'
import { withDocumented } from './documented.ts'
import { withLinks } from './links.ts'
import { withWorkedExamples } from './worked-examples.ts'

const TAGS = [
  { name: 'tokens', description: 'Salesforce access tokens for services' },
  {
    name: 'front-doors',
    description: 'The login host of Salesforce, for clients that know no other',
  },
  {
    name: 'integrations',
    description: 'One OAuth client at one Salesforce org, acting as one user',
  },
  { name: 'credentials', description: 'Credentials of an integration, and their rotation' },
  { name: 'callers', description: 'Who may call' },
  { name: 'service', description: 'The service itself' },
] as const

/** Must be registered before the routes. */
export async function describeApi(server: Server, version: string): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Valetkey',
        version,
        description:
          'A headless Salesforce token broker. Services call `GET /tokens/{integration}`; operators register integrations and rotate their credentials.\n\nTo try it out, press Authorize and paste a key. If the service generated its admin key, the key is in the file `admin.key` of the data folder (`VALETKEY_DATA_DIR`, `./data` by default), and `npm run demo` prints the path. Otherwise the key is the value of `VALETKEY_ADMIN_KEY`. The examples use the data of `npm run demo`.',
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
              'The admin key (in the file `admin.key` of the data folder, if the service generated it), an API key, or a JWT of a configured issuer',
          },
          basic: {
            type: 'http',
            scheme: 'basic',
            description:
              'For `POST /oauth/token`: id and text of an API key as OAuth client credentials',
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

/** Serves `/openapi.json`, `/openapi.yaml` and `/docs`. Each is rendered at its first request. */
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
  return stringify(server.swagger(), quotedTime, {
    lineWidth: 100,
    aliasDuplicateObjects: false,
    // Quotes values such as `off`, which older YAML parsers read as a boolean.
    compat: 'yaml-1.1',
  })
}

/** Some YAML parsers read a text that is a time as a date. */
function quotedTime(_key: unknown, value: unknown): unknown {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d/.test(value)) return value
  const quoted = new Scalar(value)
  quoted.type = Scalar.QUOTE_DOUBLE
  return quoted
}
