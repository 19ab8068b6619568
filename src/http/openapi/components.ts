/** Names every titled schema of the OpenAPI document and replaces its uses by references. */

type Node = Readonly<Record<string, unknown>>

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** `JWT bearer` becomes `JWTBearer`. */
const nameOf = (title: string) =>
  title
    .split(/[^A-Za-z0-9]+/)
    .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
    .join('')

const referenceTo = (name: string) => `#/components/schemas/${name}`

/** Pure. Throws if two different schemas have the same title. */
export function nameComponents<Doc extends object>(document: Doc): Doc {
  const schemas = new Map<string, unknown>()

  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit)
    if (!isNode(value)) return value
    const visited = Object.fromEntries(
      Object.entries(withMapping(value)).map(([member, inner]) => [member, visit(inner)]),
    )
    const isTitledSchema = typeof value.title === 'string' && value.type === 'object'
    return isTitledSchema ? refer(nameOf(value.title as string), visited) : visited
  }

  const refer = (name: string, schema: Node) => {
    const known = schemas.get(name)
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(schema)) {
      throw new Error(`two schemas have the title of ${name}`)
    }
    schemas.set(name, schema)
    return { $ref: referenceTo(name) }
  }

  const visited = visit(document) as Doc & { readonly components?: Node }
  const sorted = Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1)))
  return { ...visited, components: { ...visited.components, schemas: sorted } }
}

/** Adds the mapping from discriminator values to components. Without it, the values would have to be names of schemas. */
function withMapping(schema: Node): Node {
  const { discriminator, oneOf } = schema
  if (!isNode(discriminator) || !Array.isArray(oneOf)) return schema
  const member = String(discriminator.propertyName)
  const mapping = oneOf.filter(isNode).flatMap(({ title, properties }) => {
    const property = isNode(properties) ? properties[member] : undefined
    const value = isNode(property) ? (property.const ?? firstOf(property.enum)) : undefined
    return typeof title === 'string' && typeof value === 'string'
      ? [[value, referenceTo(nameOf(title))]]
      : []
  })
  return { ...schema, discriminator: { ...discriminator, mapping: Object.fromEntries(mapping) } }
}

const firstOf = (values: unknown): unknown => (Array.isArray(values) ? values[0] : undefined)
