/** How a schema of the OpenAPI document is written as a type of TypeScript. */
import type { Schema } from './openapi-document.ts'

export const PREFIX = '#/components/schemas/'

/** Names of the schemas that a value refers to. */
export const refsIn = (value: unknown): readonly string[] =>
  [...JSON.stringify(value ?? null).matchAll(/"#\/components\/schemas\/(\w+)[/"]/g)].map(
    ([, name = '']) => name,
  )

/** As in `Name`, `Name['member']`, and `Name['member'][number]` for the items of it. */
function namedBy(ref: string, isOptional: boolean): string {
  const [name = '', , member, items] = ref.slice(PREFIX.length).split('/')
  if (member === undefined) return name
  const holder = isOptional ? `Required<${name}>` : name
  return `${holder}['${member}']${items === undefined ? '' : '[number]'}`
}

/** It is an interface: an object that is no union. */
export const isPlain = ({ type, properties, anyOf, allOf }: Schema): boolean =>
  type === 'object' && properties !== undefined && !anyOf && !allOf

export function membersOf(
  { properties = {}, required = [], ...rest }: Schema,
  indent: string,
): string {
  const written = Object.entries(properties).filter(([, { readOnly }]) => readOnly !== true)
  const lines = written.map(([name, schema]) => {
    const doc = schema.description ? `${docOf(schema.description, indent)}\n` : ''
    const key = /^\w+$/.test(name) ? name : `'${name}'`
    return `${doc}${indent}readonly ${key}${required.includes(name) ? '' : '?'}: ${typeOf(schema)}`
  })
  const isOpen = rest.additionalProperties !== undefined && rest.additionalProperties !== false
  return [...lines, ...(isOpen ? [`${indent}readonly [member: string]: unknown`] : [])].join('\n')
}

export const docOf = (text: string, indent: string) =>
  `${indent}/** ${text.replaceAll('*/', '* /').replaceAll('\n', ' ')}${/[.!?]$/.test(text) ? '' : '.'} */`

const quoted = (value: unknown): string =>
  typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : JSON.stringify(value)

export function typeOf(schema: Schema): string {
  const { $ref, anyOf, oneOf, allOf } = schema
  if ($ref !== undefined) return namedBy($ref, schema.isOptionalMember === true)
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
