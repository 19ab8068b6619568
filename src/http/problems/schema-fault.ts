/** Describes a schema violation: which member is wrong, and what is allowed there. */
import { shownName } from '../server/shown-path.ts'

/** An error of Ajv with `verbose`, which includes the schema. */
export interface SchemaFault {
  readonly instancePath: string
  readonly schemaPath?: string
  readonly keyword: string
  readonly params: Readonly<Record<string, unknown>>
  /** The value of the keyword. */
  readonly schema?: unknown
  /** The schema that contains the keyword. */
  readonly parentSchema?: unknown
  /** The invalid name, if the name of a member is invalid. */
  readonly propertyName?: string
}

/** A part of a schema. `$comment` describes a `pattern` and completes "must be …". */
interface Schema {
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly format?: string
  readonly pattern?: string
  readonly $comment?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly oneOf?: readonly Schema[]
  readonly anyOf?: readonly Schema[]
  readonly discriminator?: { readonly propertyName: string }
}

interface Fault {
  /** Names of members from the root. Unverified: see `shownName`. */
  readonly path: readonly string[]
  /** Follows the path in the message. Contains no value of the request. */
  readonly words: string
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  null: 'null',
}

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': 'a time like 2026-11-22T10:00:00Z',
  date: 'a day like 2026-11-22',
  uri: 'a URL like https://acme.example/path',
  'uri-reference': 'a URL or a path',
  uuid: 'a UUID',
  hostname: 'a host name',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  email: 'an email address',
  byte: 'base64',
}

const UNIONS = new Set(['oneOf', 'anyOf'])
const WRAPPERS = new Set(['if', 'propertyNames'])

/** Selects the useful faults: of a union itself or of its intended branch, and each invalid name once. */
export function tellingFaults<F extends SchemaFault>(faults: readonly F[]): readonly F[] {
  const dropped = new Set<F>(faults.filter(({ keyword }) => WRAPPERS.has(keyword)))
  for (const union of faults.filter(({ keyword }) => UNIONS.has(keyword))) {
    const inside = `${union.schemaPath}/`
    const inner = faults.filter(({ schemaPath }) => schemaPath?.startsWith(inside))
    // The intended branch accepts the type of the value and fails deeper.
    const meant = inner.filter(({ instancePath }) => instancePath !== union.instancePath)
    for (const one of inner) if (!meant.includes(one)) dropped.add(one)
    if (meant.length > 0) dropped.add(union)
  }
  const telling = faults.filter((one) => !dropped.has(one))
  return telling.length > 0 ? telling : faults
}

export function faultOf(fault: SchemaFault): Fault {
  const { keyword, params, propertyName } = fault
  const schema = (fault.parentSchema ?? {}) as Schema
  const path = pointer(fault.instancePath)
  if (propertyName !== undefined) {
    return { path: [...path, propertyName], words: `has a name that must be ${allowedBy(schema)}` }
  }
  const named = (member: unknown, words: string): Fault => ({
    path: typeof member === 'string' ? [...path, member] : path,
    words,
  })
  switch (keyword) {
    case 'required': {
      const member = String(params.missingProperty)
      const wanted = schema.properties?.[member] ?? tagOf(schema, member)
      return named(member, wanted ? `is missing: it must be ${allowedBy(wanted)}` : 'is missing')
    }
    case 'dependencies':
    case 'dependentRequired':
      return named(
        params.missingProperty,
        `is missing: ${shownName(String(params.property))} needs it`,
      )
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const extra = String(params.additionalProperty ?? params.unevaluatedProperty)
      return named(extra, `is not known here${knownIn(schema, extra)}`)
    }
    case 'discriminator': {
      const tag = String(params.tag)
      const start = params.tagValue === undefined ? 'is missing: it ' : ''
      return named(tag, `${start}must be ${allowedBy(tagOf(schema, tag) ?? {})}`)
    }
    case 'uniqueItems':
      return { path, words: 'must not contain an item twice' }
    case 'not':
      return { path, words: excluded(fault.schema as Schema | undefined) }
    case 'oneOf':
    case 'anyOf':
      return { path, words: `must ${unionOf(keyword, (fault.schema ?? []) as readonly Schema[])}` }
    case 'false schema':
      return { path, words: 'is not allowed here' }
    default:
      return { path, words: `must be ${allowedBy(schema)}` }
  }
}

/** The allowed values of a discriminator. */
function tagOf({ discriminator, oneOf = [] }: Schema, member: string): Schema | undefined {
  if (discriminator?.propertyName !== member) return undefined
  return { enum: oneOf.flatMap(({ properties }) => valuesOf(properties?.[member])) }
}

/** Completes "must be …". */
function allowedBy(schema: Schema): string {
  const values = valuesOf(schema)
  if (values.length > 0) return values.length === 1 ? `${values[0]}` : `one of ${list(values)}`
  const branches = schema.oneOf ?? schema.anyOf
  if (branches && schema.type === undefined) return joined(branches.map(allowedBy), 'or')
  // Names of members are always text.
  const types = [schema.type ?? (schema.pattern === undefined ? [] : 'string')].flat()
  return types.length === 0
    ? 'as /docs describes it'
    : joined([...new Set(types.map((type) => kindOf(type, schema)))], 'or')
}

function kindOf(type: string, schema: Schema): string {
  const kind = TYPES[type] ?? type
  switch (type) {
    case 'string':
      return textOf(schema)
    case 'integer':
    case 'number':
      return `${kind}${range(schema.minimum, schema.maximum, ' from')}`
    case 'array':
      return `${kind}${range(schema.minItems, schema.maxItems, ' of', 'item')}`
    case 'object':
      return objectOf(schema)
    default:
      return kind
  }
}

function textOf({ format, pattern, minLength, maxLength, ...schema }: Schema): string {
  const words = schema.$comment ?? (format === undefined ? undefined : (FORMATS[format] ?? format))
  const unsaid = pattern === undefined ? 'text' : 'text in the form that /docs describes'
  const length = range(minLength, maxLength, words === undefined ? ' of' : ',', 'character')
  return `${words ?? unsaid}${length}`
}

function objectOf(schema: Schema): string {
  const { minProperties, maxProperties, properties = {}, discriminator } = schema
  const tag = discriminator?.propertyName
  if (tag !== undefined) return `an object whose ${tag} is ${allowedBy(tagOf(schema, tag) ?? {})}`
  if (minProperties === undefined && maxProperties === undefined) return 'an object'
  const names = Object.keys(properties)
  if (minProperties === 1 && maxProperties === 1 && names.length > 0) {
    return `an object with exactly one of ${list(names)}`
  }
  return `an object${range(minProperties, maxProperties, ' of', 'member')}`
}

/** For example " of 1 to 64 characters"; empty if there is no bound. */
function range(
  least: number | undefined,
  most: number | undefined,
  before: string,
  unit?: string,
): string {
  if (least === undefined && most === undefined) return ''
  const plural = (count: number) =>
    unit === undefined ? '' : count === 1 ? ` ${unit}` : ` ${unit}s`
  if (most === undefined)
    return `${before === ' from' ? ' of' : before} at least ${least}${plural(least ?? 0)}`
  if (least === undefined || (least === 0 && unit !== undefined)) {
    return `${before === ' from' ? ' of' : before} at most ${most}${plural(most)}`
  }
  if (least === most) return `${before} exactly ${most}${plural(most)}`
  return `${before} ${least} to ${most}${plural(most)}`
}

function unionOf(keyword: string, branches: readonly Schema[]): string {
  const isChoice = branches.length > 0 && branches.every(({ type, required }) => !type && required)
  if (!isChoice) return `be ${joined(branches.map(allowedBy), 'or')}`
  const choices = branches.map(({ required = [] }) => joined(required, 'with'))
  return `have ${keyword === 'oneOf' ? 'exactly' : 'at least'} one of ${choices.join(', ')}`
}

const excluded = (schema: Schema | undefined): string =>
  schema?.required
    ? `must not have ${joined(schema.required, 'together with')}`
    : 'is not allowed here'

const knownIn = ({ properties = {} }: Schema, extra: string): string => {
  const names = Object.keys(properties)
  return names.length === 0 ? '' : `: "${shownName(extra)}" is none of ${list(names)}`
}

const valuesOf = (schema: Schema | undefined): readonly unknown[] =>
  schema?.const !== undefined ? [schema.const] : (schema?.enum ?? [])

const list = (values: readonly unknown[]): string => values.map(String).join(', ')

const joined = (words: readonly string[], by: string): string => words.join(` ${by} `)

/** RFC 6901. */
const pointer = (path: string): readonly string[] =>
  path
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))

const PLACES: Readonly<Record<string, string>> = { querystring: 'query', params: 'path' }

/** One sentence that names the member and what is allowed. Contains no value of the request. */
export function describeFaults(faults: readonly SchemaFault[], context = 'request'): string {
  const [fault] = tellingFaults(faults)
  const place = PLACES[context] ?? context
  if (!fault) return `The ${place} is not valid`
  const { path, words } = faultOf(fault)
  return `${[place, ...path.map(shownName)].join('/')} ${words}`
}
