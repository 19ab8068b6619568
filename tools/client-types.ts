/** Generates `src/client/api/`: the types and the operations of the client, from the OpenAPI document. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Content, Document, Operation, Schema } from './openapi-document.ts'
import { docOf, isPlain, membersOf, refsIn, typeOf } from './schema-types.ts'
import { sharedDocument } from './shared-schemas.ts'

/** For programs that speak no other protocol; browsers and orchestrators ask for the rest. */
const LEFT_OUT = new Set([
  ...['postOAuthToken', 'passGateway', 'finishConnection', 'getLiveness'],
  ...['listProblems', 'getProblem', 'listSalesforceRefusals', 'getSetupMetadata'],
  ...['showStatus', 'signIn', 'signOut'],
])
const LEFT_OUT_TAG = 'front-doors'

/** A file for the schemas that its operations use first. In this order, so that files import from earlier ones alone. */
const FILES: readonly (readonly [file: string, roots: readonly string[]])[] = [
  ['problems', ['Problem']],
  ['tokens', []],
  [
    'forms',
    [
      ...['JWTBearer', 'ClientCredentials', 'RefreshToken', 'TokenExchange', 'DataCloud'],
      ...['KeyMadeHere', 'ImportedKey', 'ImportedKeystore', 'KeyAtASigner', 'ClientSecret'],
      ...['KeyAtASignerCertifiedHere', 'CredentialOfAnotherIntegration', 'RefreshTokenOfAnApp'],
      ...['KeyAtASignerAndRefreshToken', 'ImportedKeyAndRefreshToken', 'IdentityRule'],
      ...['ImportedKeystoreAndRefreshToken', 'Labels', 'DeploymentRule', 'CertificateRequest'],
      ...['DeploymentRuleByItsFormerName'],
    ],
  ],
  ['definitions', ['JWTBearerDefinition', 'JWTBearerDefinitionThatIsDeployed']],
  ['summaries', ['IntegrationSummary']],
  ['usage', ['CallerCountList']],
  ['probes', ['DPoPReport']],
  ['integrations', []],
  ['credentials', []],
  ['callers', []],
  ['service', []],
]
const DEFINITION = /Definition(?:ThatIsDeployed)?$/

const HEAD = '// Made by `npm run generate` from openapi.yaml.\n'

/** The text of each file, by its path from the root. */
export function renderClientTypes(openapi: string): Readonly<Record<string, string>> {
  const given = parse(openapi) as Document
  const placeOf = placesIn(given)
  const order = FILES.map(([file]) => file)
  const { paths, components, baseOf } = sharedDocument(
    given,
    new Map([...placeOf].map(([name, file]) => [name, order.indexOf(file)])),
    (name) => !DEFINITION.test(name),
  )
  const { schemas } = components
  const operations = operationsIn(paths)
  const files: Record<string, string> = {}
  for (const file of order) {
    const own = [...placeOf].filter(([, place]) => place === file).map(([name]) => name)
    const forms = own.filter((name) => DEFINITION.test(name)).toSorted()
    const others = own.filter((name) => !DEFINITION.test(name)).toSorted()
    const text = [
      ...others.map((name) => declarationOf(name, schemas, baseOf.get(name))),
      ...(forms.length > 0 ? definitionsOf(forms, schemas) : []),
    ]
    const uses = own.flatMap((name) => [...refsIn(schemas[name]), baseOf.get(name) ?? name])
    files[`src/client/api/${file}.ts`] = [
      HEAD,
      ...importsFor(uses, file, placeOf),
      text.join('\n\n'),
      '',
    ].join('\n')
  }
  const tags = FILES.map(([file]) => file).filter((file) =>
    operations.some(({ tag }) => tag === file),
  )
  for (const tag of tags) {
    const own = operations.filter((one) => one.tag === tag)
    const uses = own.flatMap((one) => one.uses)
    files[`src/client/api/${tag}-operations.ts`] = [
      HEAD,
      ...importsFor(uses, 'operations', placeOf),
      `export interface ${nameOf(tag)} {`,
      ...own.map(({ text }) => text),
      '}',
      '',
    ].join('\n')
  }
  files['src/client/api/operations.ts'] = [
    HEAD,
    ...tags.map((tag) => `import type { ${nameOf(tag)} } from './${tag}-operations.ts'`),
    '',
    '/** What each operation takes and answers, by `operationId`. */',
    `export interface Operations extends ${tags.map(nameOf).join(', ')} {}`,
    '',
    '/** Method and path of each operation. */',
    'export const OPERATIONS = {',
    ...operations.map(({ id, method, path }) => `  ${id}: ['${method}', '${path}'],`),
    '} as const',
    '',
  ].join('\n')
  return Object.fromEntries(
    Object.entries(files).map(([path, text]) => [path, formatted(path, text)]),
  )
}

/** The file of each schema. */
function placesIn({ paths, components: { schemas } }: Document): ReadonlyMap<string, string> {
  const operations = operationsIn(paths)
  const placeOf = new Map<string, string>()
  for (const [file, roots] of FILES) {
    const used = [
      ...roots,
      ...(file === 'definitions' ? Object.keys(schemas).filter((one) => DEFINITION.test(one)) : []),
      ...operations.filter(({ tag }) => tag === file).flatMap(({ uses }) => uses),
    ]
    for (const name of closureOf(used, schemas)) {
      if (!placeOf.has(name)) placeOf.set(name, file)
    }
  }
  return placeOf
}

const ROOT = join(import.meta.dirname, '..')

function formatted(path: string, text: string): string {
  const biome = join(ROOT, 'node_modules/.bin/biome')
  const input = { cwd: ROOT, input: text, encoding: 'utf8' } as const
  return execFileSync(biome, ['check', '--write', `--stdin-file-path=${path}`], {
    ...input,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
}

const nameOf = (tag: string) => `${tag.charAt(0).toUpperCase()}${tag.slice(1)}Operations`

/** The forms of a definition, and the members that all of them have. */
function definitionsOf(
  forms: readonly string[],
  schemas: Readonly<Record<string, Schema>>,
): readonly string[] {
  const [first, ...others] = forms.map((name) => schemas[name]?.properties ?? {})
  const textOf = (members: Schema['properties'], name: string) =>
    JSON.stringify(members?.[name] ?? null)
  const shared = Object.keys(first ?? {}).filter((name) =>
    others.every((one) => textOf(one, name) === textOf(first, name)),
  )
  const required = shared.filter((name) =>
    forms.every((form) => schemas[form]?.required?.includes(name)),
  )
  const only = (members: Schema['properties'], isKept: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(members ?? {}).filter(([name]) => isKept(name)))
  const base = { required, properties: only(first, (name) => shared.includes(name)) }
  return [
    `/** What every definition of an integration may have. */\ninterface DefinitionMembers {\n${membersOf(base, '  ')}\n}`,
    ...forms.map((name) => {
      const schema = schemas[name] ?? {}
      const own = { ...schema, properties: only(schema.properties, (one) => !shared.includes(one)) }
      return `export interface ${name} extends DefinitionMembers {\n${membersOf({ ...own, additionalProperties: false }, '  ')}\n}`
    }),
  ]
}

function operationsIn(paths: Document['paths']) {
  return Object.entries(paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    )
    .filter(
      ({ operation: { operationId, tags = [] } }) =>
        operationId !== undefined && !LEFT_OUT.has(operationId) && !tags.includes(LEFT_OUT_TAG),
    )
    .map(({ path, method, operation }) => {
      const { operationId: id, tags = [], summary } = operation
      const members = [
        ...groupOf(operation, 'path', 'path'),
        ...groupOf(operation, 'query', 'query'),
        ...bodyOf(operation),
        `readonly answer: ${answerOf(operation)}`,
      ]
      const text = [
        docOf(summary, '  '),
        `  readonly ${id}: {`,
        ...members.map((member) => `    ${member}`),
        '  }',
      ].join('\n')
      const { requestBody, parameters } = operation
      const uses = refsIn([requestBody, successOf(operation), parameters])
      return { id, path, method: method.toUpperCase(), tag: tags[0] ?? '', text, uses }
    })
}

function groupOf({ parameters = [] }: Operation, place: string, member: string): string[] {
  const own = parameters.filter((one) => one.in === place)
  if (own.length === 0) return []
  const isOptional = own.every(({ required }) => required !== true)
  const parts = own.map(
    ({ name, required, schema }) => `readonly ${name}${required ? '' : '?'}: ${typeOf(schema)}`,
  )
  return [`readonly ${member}${isOptional ? '?' : ''}: { ${parts.join('; ')} }`]
}

function bodyOf({ requestBody }: Operation): string[] {
  if (!requestBody) return []
  const json = requestBody.content?.['application/json']?.schema
  const type = json ? typeOf(json) : 'string'
  return [`readonly body${requestBody.required ? '' : '?'}: ${type}`]
}

const successOf = ({ responses }: Operation): Content | undefined =>
  Object.entries(responses).find(([status]) => status.startsWith('2'))?.[1]

function answerOf(operation: Operation): string {
  const { content } = successOf(operation) ?? {}
  if (!content) return 'undefined'
  const schema = content['application/json']?.schema
  return schema ? typeOf(schema) : 'string'
}

function importsFor(
  refs: readonly string[],
  file: string,
  placeOf: ReadonlyMap<string, string>,
): readonly string[] {
  const away = [...new Set(refs)].filter((name) => placeOf.get(name) !== file)
  const byFile = Map.groupBy(away, (name) => placeOf.get(name) ?? '')
  return [
    ...[...byFile].map(
      ([from, names]) => `import type { ${names.toSorted().join(', ')} } from './${from}.ts'`,
    ),
    '',
  ]
}

function closureOf(
  roots: readonly string[],
  schemas: Readonly<Record<string, Schema>>,
): readonly string[] {
  const found = new Set<string>()
  const rest = [...roots]
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    if (found.has(name)) continue
    found.add(name)
    rest.push(...refsIn(schemas[name]))
  }
  return [...found]
}

function declarationOf(
  name: string,
  schemas: Readonly<Record<string, Schema>>,
  base: string | undefined,
): string {
  const schema = schemas[name] ?? {}
  const doc = schema.description ? `${docOf(schema.description, '')}\n` : ''
  if (!isPlain(schema)) return `${doc}export type ${name} = ${typeOf(schema)}`
  const inherited = Object.keys((base !== undefined && schemas[base]?.properties) || {})
  const rest = Object.entries(schema.properties ?? {}).filter(([one]) => !inherited.includes(one))
  if (base !== undefined && rest.length === 0) return `${doc}export type ${name} = ${base}`
  const own = { ...schema, properties: Object.fromEntries(rest) }
  const from = base === undefined ? '' : ` extends ${base}`
  return `${doc}export interface ${name}${from} {\n${membersOf(own, '  ')}\n}`
}
