/** Generates `src/client/api/`: the types and the operations of the client, from the OpenAPI document. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Content, Document, Operation, Schema } from './openapi-document.ts'

/** For programs that speak no other protocol; browsers and orchestrators ask for the rest. */
const LEFT_OUT = new Set([
  ...['postOAuthToken', 'passGateway', 'finishConnection', 'getLiveness'],
  ...['listProblems', 'getProblem', 'listSalesforceRefusals', 'getSetupMetadata'],
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
  ['integrations', []],
  ['credentials', []],
  ['callers', []],
  ['service', []],
]
const DEFINITION = /Definition(?:ThatIsDeployed)?$/

const PREFIX = '#/components/schemas/'
const HEAD = '// Made by `npm run generate` from openapi.yaml.\n'

/** The text of each file, by its path from the root. */
export function renderClientTypes(openapi: string): Readonly<Record<string, string>> {
  const { paths, components } = parse(openapi) as Document
  const { schemas } = components
  const operations = operationsIn(paths)
  const files: Record<string, string> = {}
  const placeOf = new Map<string, string>()
  for (const [file, roots] of FILES) {
    const used = [
      ...roots,
      ...(file === 'definitions' ? Object.keys(schemas).filter((one) => DEFINITION.test(one)) : []),
      ...operations.filter(({ tag }) => tag === file).flatMap(({ uses }) => uses),
    ]
    const own = closureOf(used, schemas).filter((name) => !placeOf.has(name))
    for (const name of own) placeOf.set(name, file)
    const forms = own.filter((name) => DEFINITION.test(name)).toSorted()
    const others = own.filter((name) => !DEFINITION.test(name)).toSorted()
    const text = [
      ...others.map((name) => declarationOf(name, schemas[name] ?? {})),
      ...(forms.length > 0 ? definitionsOf(forms, schemas) : []),
    ]
    const uses = own.flatMap((name) => refsIn(schemas[name]))
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
  const shared = Object.keys(first ?? {}).filter(
    (name) =>
      name !== 'login_url' && others.every((one) => textOf(one, name) === textOf(first, name)),
  )
  const only = (members: Schema['properties'], isKept: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(members ?? {}).filter(([name]) => isKept(name)))
  const base = { properties: only(first, (name) => shared.includes(name)) }
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
      const uses = [...refsIn(operation.requestBody), ...refsIn(successOf(operation))]
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

const refsIn = (value: unknown): readonly string[] =>
  [...JSON.stringify(value ?? null).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
    ([, name = '']) => name,
  )

function declarationOf(name: string, schema: Schema): string {
  const doc = schema.description ? `${docOf(schema.description, '')}\n` : ''
  const isPlain = schema.type === 'object' && schema.properties && !schema.anyOf && !schema.allOf
  return isPlain
    ? `${doc}export interface ${name} {\n${membersOf(schema, '  ')}\n}`
    : `${doc}export type ${name} = ${typeOf(schema)}`
}

function membersOf({ properties = {}, required = [], ...rest }: Schema, indent: string): string {
  const written = Object.entries(properties).filter(([, { readOnly }]) => readOnly !== true)
  const lines = written.map(([name, schema]) => {
    const doc = schema.description ? `${docOf(schema.description, indent)}\n` : ''
    const key = /^\w+$/.test(name) ? name : `'${name}'`
    return `${doc}${indent}readonly ${key}${required.includes(name) ? '' : '?'}: ${typeOf(schema)}`
  })
  const isOpen = rest.additionalProperties !== undefined && rest.additionalProperties !== false
  return [...lines, ...(isOpen ? [`${indent}readonly [member: string]: unknown`] : [])].join('\n')
}

const docOf = (text: string, indent: string) =>
  `${indent}/** ${text.replaceAll('*/', '* /').replaceAll('\n', ' ')}${/[.!?]$/.test(text) ? '' : '.'} */`

const quoted = (value: unknown): string =>
  typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : JSON.stringify(value)

function typeOf(schema: Schema): string {
  const { $ref, anyOf, oneOf, allOf } = schema
  if ($ref !== undefined) return $ref.slice(PREFIX.length)
  const values = schema.const === undefined ? schema.enum : [schema.const]
  if (values) return values.map(quoted).join(' | ')
  const several = anyOf ?? oneOf
  if (several) return unionOf(several.map(typeOf))
  if (allOf) return allOf.map(typeOf).join(' & ')
  const { type } = schema
  if (type === undefined) return schema.pattern === undefined ? 'unknown' : 'string'
  if (typeof type !== 'string') {
    return type.map((one) => typeOf({ ...schema, type: one })).join(' | ')
  }
  if (type === 'array') return `readonly (${typeOf(schema.items ?? {})})[]`
  if (type === 'object') return objectOf(schema)
  return type === 'integer' ? 'number' : type
}

function unionOf(types: readonly string[]): string {
  const isAnyText = types.includes('string')
  const kept = types.filter((type) => !isAnyText || !/^'[^']*'(?: \| '[^']*')*$/.test(type))
  return [...new Set(kept)].join(' | ')
}

function objectOf(schema: Schema): string {
  const { properties, additionalProperties: more } = schema
  if (properties && Object.keys(properties).length > 0) return `{\n${membersOf(schema, '  ')}\n}`
  if (more === false) return 'Readonly<Record<string, never>>'
  return `Readonly<Record<string, ${typeof more === 'object' ? typeOf(more) : 'unknown'}>>`
}
