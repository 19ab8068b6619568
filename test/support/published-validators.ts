/** The validators of the schemas of `openapi.yaml`. A compiled one is kept as code, because some thousand processes need the same few. */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { ValidateFunction } from 'ajv/dist/2020.js'
import type { OpenapiDocument, Schema } from './published-answers.ts'

const require = createRequire(import.meta.url)

/** Gives the validator of the schema at a place of the document. `folder`: where compiled ones are kept, below `node_modules`, because their code requires modules. */
export function createValidators(
  document: OpenapiDocument,
  folder?: string,
): (pointer: readonly string[]) => ValidateFunction {
  const known = new Map<string, ValidateFunction>()
  let compile: ((key: string) => Compiled) | undefined

  const compiled = (key: string): Compiled => {
    compile ??= createCompiler(document)
    return compile(key)
  }

  const kept = (key: string, inside: string): ValidateFunction => {
    const path = join(inside, `${createHash('sha256').update(key).digest('hex')}.cjs`)
    if (existsSync(path)) return require(path)
    const { validate, codeOf } = compiled(key)
    mkdirSync(inside, { recursive: true })
    const fresh = `${path}.${randomUUID()}`
    writeFileSync(fresh, codeOf())
    renameSync(fresh, path)
    return validate
  }

  return (pointer) => {
    const key = pointer.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')
    const found = known.get(key)
    if (found) return found
    const made = folder === undefined ? compiled(key).validate : kept(key, folder)
    known.set(key, made)
    return made
  }
}

interface Compiled {
  readonly validate: ValidateFunction
  readonly codeOf: () => string
}

/** Most processes find what they need kept, and do not load the compiler. */
function createCompiler(document: OpenapiDocument): (key: string) => Compiled {
  const { Ajv2020 } = require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js')
  const { default: addFormats } = require('ajv-formats') as typeof import('ajv-formats')
  const { default: standaloneCode } =
    require('ajv/dist/standalone/index.js') as typeof import('ajv/dist/standalone/index.js')
  // Whether the schemas are right is checked once, by `test/gates/generated-files.test.ts`, and not in each process.
  const unchecked = { validateSchema: false, strict: false, logger: false } as const
  const ajv = addFormats.default(
    new Ajv2020({ ...unchecked, allErrors: true, code: { source: true } }),
  )
  ajv.addSchema(withClosedObjects(document), 'openapi')
  return (key) => {
    const validate = ajv.compile({ $ref: `openapi#/${encodeURI(key)}` })
    return { validate, codeOf: () => standaloneCode(ajv, validate) }
  }
}

/**
 * What the document does not name is not published: an object that lists its members, and says nothing
 * of others, has no others. Parts of an `allOf` see only their own members, and stay open.
 */
function withClosedObjects(document: OpenapiDocument): OpenapiDocument {
  const open = new Set<string>()
  walk(document, (node) => {
    for (const part of Array.isArray(node.allOf) ? node.allOf : []) {
      if (isNode(part) && typeof part.$ref === 'string') open.add(part.$ref)
    }
  })
  const close = (value: unknown, isPart: boolean): unknown => {
    if (Array.isArray(value)) return value.map((inner) => close(inner, isPart))
    if (!isNode(value)) return value
    const visited = Object.fromEntries(
      Object.entries(value).map(([member, inner]) => [member, close(inner, member === 'allOf')]),
    )
    const isClosable =
      !isPart &&
      value.type === 'object' &&
      isNode(value.properties) &&
      !('additionalProperties' in value)
    return isClosable ? { ...visited, unevaluatedProperties: false } : visited
  }
  const schemas = Object.fromEntries(
    Object.entries(document.components.schemas).map(([name, schema]) => [
      name,
      close(schema, open.has(`#/components/schemas/${name}`)) as Schema,
    ]),
  )
  return {
    paths: close(document.paths, false) as OpenapiDocument['paths'],
    components: {
      schemas,
      responses: close(document.components.responses ?? {}, false) as NonNullable<
        OpenapiDocument['components']['responses']
      >,
    },
  }
}

const isNode = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function walk(value: unknown, visit: (node: Schema) => void): void {
  if (Array.isArray(value)) for (const inner of value) walk(inner, visit)
  if (!isNode(value)) return
  visit(value)
  for (const inner of Object.values(value)) walk(inner, visit)
}
