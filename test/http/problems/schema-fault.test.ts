import type {} from '@fastify/swagger'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import t from 'tap'
import { describeFaults, tellingFaults } from '../../../src/http/problems/schema-fault.ts'
import { TEXT_FORMS } from '../../../src/http/text-forms.ts'
import { startBroker } from '../../support/broker.ts'

const OPTIONS = { discriminator: true, strict: false, verbose: true }
const ajv = addFormats.default(new Ajv(OPTIONS))
const wordsFor = (schema: object, value: unknown): string => {
  const validate = ajv.compile(schema)
  return validate(value) ? 'valid' : describeFaults(validate.errors ?? [], 'body')
}
const member = (schema: object) => ({ type: 'object', properties: { a: schema } })
const union = {
  type: 'object',
  required: ['type'],
  discriminator: { propertyName: 'type' },
  oneOf: ['dog', 'cat'].map((kind) => ({
    type: 'object',
    required: ['name'],
    properties: { type: { const: kind }, name: { type: 'string', minLength: 1, maxLength: 8 } },
    additionalProperties: false,
  })),
}

/** What is asked for, what is given, and what is said. */
const SAID: readonly (readonly [schema: object, value: unknown, words: string])[] = [
  [{ type: 'object' }, null, 'body must be an object'],
  [member({ type: 'string' }), { a: 1 }, 'body/a must be text'],
  [member({ type: ['string', 'null'] }), { a: 1 }, 'body/a must be text or null'],
  [member({ type: 'boolean' }), { a: 'yes' }, 'body/a must be true or false'],
  [member({ type: 'array' }), { a: {} }, 'body/a must be a list'],
  [
    member({ type: 'string', minLength: 1, maxLength: 8 }),
    { a: '' },
    'body/a must be text of 1 to 8 characters',
  ],
  [
    member({ type: 'string', maxLength: 1 }),
    { a: 'ab' },
    'body/a must be text of at most 1 character',
  ],
  [
    member({ type: 'string', ...TEXT_FORMS.org_id }),
    { a: 'x' },
    `body/a must be ${TEXT_FORMS.org_id.$comment}`,
  ],
  [
    member({ type: 'string', pattern: '^a$' }),
    { a: 'b' },
    'body/a must be text in the form that /docs describes',
  ],
  [
    member({ type: 'string', format: 'date-time' }),
    { a: 'tomorrow' },
    'body/a must be a time like 2026-11-22T10:00:00Z',
  ],
  [
    member({ type: 'integer', minimum: 1, maximum: 200 }),
    { a: 0 },
    'body/a must be a whole number from 1 to 200',
  ],
  [
    member({ type: 'integer', minimum: 1 }),
    { a: 0 },
    'body/a must be a whole number of at least 1',
  ],
  [member({ type: 'integer', maximum: 5 }), { a: 6 }, 'body/a must be a whole number of at most 5'],
  [member({ enum: ['a', 'b'] }), { a: 'c' }, 'body/a must be one of a, b'],
  [member({ const: 'a' }), { a: 'c' }, 'body/a must be a'],
  [
    member({ type: 'array', minItems: 1, maxItems: 2 }),
    { a: [] },
    'body/a must be a list of 1 to 2 items',
  ],
  [
    member({ type: 'array', uniqueItems: true }),
    { a: [1, 1] },
    'body/a must not contain an item twice',
  ],
  [
    member({ type: 'array', items: { type: 'string' } }),
    { a: ['x', 1] },
    'body/*/* must be text'.replace('*/*', 'a/1'),
  ],
  [
    { type: 'object', required: ['a'], properties: { a: { type: 'integer', minimum: 60 } } },
    {},
    'body/a is missing: it must be a whole number of at least 60',
  ],
  [
    { type: 'object', properties: { a: {}, b: {} }, additionalProperties: false },
    { typo: 1 },
    'body/typo is not known here: "typo" is none of a, b',
  ],
  [
    { type: 'object', additionalProperties: false },
    { 'a secret, perhaps': 1 },
    'body/* is not known here',
  ],
  [
    { type: 'object', propertyNames: TEXT_FORMS.label_key },
    { '-': 1 },
    `body/* has a name that must be ${TEXT_FORMS.label_key.$comment}`,
  ],
  [
    {
      type: 'object',
      minProperties: 1,
      maxProperties: 1,
      properties: { a: {}, b: {} },
    },
    {},
    'body must be an object with exactly one of a, b',
  ],
  [
    { type: 'object', maxProperties: 1 },
    { a: 1, b: 2 },
    'body must be an object of at most 1 member',
  ],
  [union, {}, 'body/type is missing: it must be one of dog, cat'],
  [union, { type: 'cow' }, 'body/type must be one of dog, cat'],
  [union, { type: 7 }, 'body/type must be one of dog, cat'],
  [union, { type: 'dog' }, 'body/name is missing: it must be text of 1 to 8 characters'],
  [union, { type: 'dog', name: '' }, 'body/name must be text of 1 to 8 characters'],
  [
    union,
    { type: 'cat', name: 'x', tail: 1 },
    'body/tail is not known here: "tail" is none of type, name',
  ],
  [
    member({ anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] }),
    { a: 1 },
    'body/a must be text or a list',
  ],
  [
    member({ anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] }),
    { a: ['x', 1] },
    'body/a/1 must be text',
  ],
  [
    { type: 'object', oneOf: [{ required: ['key'] }, { required: ['secret'] }] },
    { key: 1, secret: 1 },
    'body must have exactly one of key, secret',
  ],
  [
    { type: 'object', anyOf: [{ required: ['key', 'certificate'] }, { required: ['secret'] }] },
    {},
    'body must have at least one of key with certificate, secret',
  ],
  [
    { type: 'object', not: { required: ['key', 'secret'] } },
    { key: 1, secret: 1 },
    'body must not have key together with secret',
  ],
  [
    { type: 'object', dependencies: { certificate: ['key'] } },
    { certificate: 1 },
    'body/key is missing: certificate needs it',
  ],
  [member({ not: { const: 1 } }), { a: 1 }, 'body/a is not allowed here'],
  [{ type: 'object', properties: { a: false } }, { a: 1 }, 'body/a is not allowed here'],
]

t.test(
  'each kind of fault is said in words that name the member and what is allowed',
  async (t) => {
    for (const [schema, value, words] of SAID) t.equal(wordsFor(schema, value), words)
  },
)

t.test('a fault of a query, of a path and of a header says where it is', async (t) => {
  const validate = ajv.compile(member({ type: 'integer' }))
  validate({ a: 'x' })
  for (const [context, place] of [
    ['querystring', 'query'],
    ['params', 'path'],
    ['headers', 'headers'],
  ] as const) {
    t.equal(describeFaults(validate.errors ?? [], context), `${place}/a must be a whole number`)
  }
  t.equal(describeFaults([], 'querystring'), 'The query is not valid')
})

t.test('of all faults of a value the telling ones are kept', async (t) => {
  const every = addFormats.default(new Ajv({ ...OPTIONS, allErrors: true }))
  const validate = every.compile({
    type: 'object',
    properties: {
      a: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
      b: { type: 'object', propertyNames: { pattern: '^[a-z]$' } },
    },
  })
  validate({ a: 1, b: { A: 1 } })
  t.same(
    tellingFaults(validate.errors ?? []).map(({ keyword }) => keyword),
    ['anyOf', 'pattern'],
  )
})

// --- everything that this service checks by a schema ---

type Node = Readonly<Record<string, unknown>>
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null

const { app } = await startBroker(t, { loginHosts: [] })
await app.server.ready()
/** Ajv does not take what OpenAPI adds to a discriminator. */
const document: Node = JSON.parse(
  JSON.stringify(app.server.swagger(), (name, value) => (name === 'mapping' ? undefined : value)),
)

function schemasOf(operation: Node): readonly (readonly [string, Node])[] {
  const parameters = (operation.parameters ?? []) as readonly Node[]
  const content = (operation.requestBody as Node | undefined)?.content ?? {}
  return [
    ...parameters.map(({ name, schema }) => [String(name), schema as Node] as const),
    ...Object.values(content as Record<string, Node>).map(
      ({ schema }) => ['body', schema as Node] as const,
    ),
  ]
}

const operations = Object.values(document.paths as Record<string, Node>).flatMap(
  (path) => Object.values(path) as Node[],
)
/** As the server itself has it: without references. */
function inlined(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(inlined)
  if (!isNode(schema)) return schema
  const { $ref, ...members } = schema
  const target = typeof $ref === 'string' ? (inlined(at($ref)) as Node) : {}
  return {
    ...target,
    ...Object.fromEntries(Object.entries(members).map(([name, one]) => [name, inlined(one)])),
  }
}
const at = (reference: string): unknown =>
  reference
    .split('/')
    .slice(1)
    .reduce<unknown>((node, part) => (isNode(node) ? node[part] : undefined), document)

const asked = operations.flatMap((operation) =>
  schemasOf(operation).map(
    ([name, schema]) => [`${operation.operationId} ${name}`, inlined(schema) as Node] as const,
  ),
)

function patternsIn(value: unknown): readonly Node[] {
  if (!isNode(value)) return []
  const own = typeof value.pattern === 'string' ? [value] : []
  return [...own, ...Object.values(value).flatMap(patternsIn)]
}

t.test('every pattern of the API has words beside it', async (t) => {
  const found = patternsIn(document)
  t.ok(found.length > 30)
  for (const schema of found) t.match(schema.$comment, /^[a-z0-9]/, JSON.stringify(schema))
})

t.test('nothing that a request may have wrong is told in the words of a schema', async (t) => {
  const patterns = patternsIn(document).map(({ pattern }) => String(pattern))
  const compiler = addFormats.default(new Ajv(OPTIONS))
  t.ok(asked.length > 50)
  for (const [name, schema] of asked) {
    const validate = compiler.compile(schema)
    const property = fc.property(valueFor(schema), (value) => {
      if (validate(value)) return true
      const words = describeFaults(validate.errors ?? [], 'body')
      const isTechnical =
        /match|NOT|oneOf|anyOf|pattern|schema|\/docs/.test(words) ||
        patterns.some((pattern) => words.includes(pattern))
      if (isTechnical) throw new Error(`${name}: ${words}`)
      return true
    })
    fc.assert(property, { numRuns: 60, includeErrorInReport: true })
    t.pass(name)
  }
})

/** Values that come near what the schema wants, and are mostly wrong in one place. */
function valueFor(schema: unknown, depth = 0): fc.Arbitrary<unknown> {
  const any = fc.jsonValue({ maxDepth: 1 })
  if (!isNode(schema) || depth > 4) return any
  const target = schema
  const branches = (target.oneOf ?? target.anyOf) as readonly unknown[] | undefined
  if (branches) return fc.oneof(any, ...branches.map((one) => valueFor(one, depth + 1)))
  if (target.const !== undefined)
    return fc.oneof({ weight: 4, arbitrary: fc.constant(target.const) }, any)
  if (Array.isArray(target.enum)) {
    return fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...target.enum) }, any)
  }
  if (!isNode(target.properties)) return any
  const members = Object.entries(target.properties).map(
    ([name, one]) => [name, valueFor(one, depth + 1)] as const,
  )
  return fc.oneof(
    { weight: 6, arbitrary: fc.record(Object.fromEntries(members), { requiredKeys: [] }) },
    any,
  )
}
