/** Writes once what an OpenAPI document has in several places: another place refers to the member of a schema that has a name. */
import type { Content, Document, Operation, Schema } from './openapi-document.ts'
import { isPlain, PREFIX, typeOf } from './schema-types.ts'

interface SharedDocument extends Document {
  /** The schema that one extends. */
  readonly baseOf: ReadonlyMap<string, string>
}

interface Owner {
  readonly ref: string
  readonly place: number
  readonly isOptionalMember: boolean
}

/** Characters. A shorter type is as good to read where it is. */
const SHARED_LEAST = 80
/** Members that a schema has at least if another one extends it. */
const BASE_LEAST = 3

/** `places`: of each schema that is written; a schema refers to those of its own place and of earlier ones. `mayOwn`: whether others may refer to a schema. */
export function sharedDocument(
  { paths, components: { schemas } }: Document,
  places: ReadonlyMap<string, number>,
  mayOwn: (name: string) => boolean,
): SharedDocument {
  const names = [...places.keys()]
    .filter(mayOwn)
    .toSorted((a, b) => placeOf(a) - placeOf(b) || a.localeCompare(b, 'en'))
  function placeOf(name: string): number {
    return places.get(name) ?? Number.POSITIVE_INFINITY
  }
  const owners = new Map<string, Owner>()
  const own = (schema: Schema, ref: string, place: number, isOptionalMember: boolean) => {
    const text = typeOf(schema)
    if (text.length < SHARED_LEAST || owners.has(text)) return
    owners.set(text, { ref, place, isOptionalMember })
  }
  for (const name of names) {
    const schema = schemas[name] ?? {}
    if (!isPlain(schema)) continue
    for (const [member, value] of Object.entries(schema.properties ?? {})) {
      const isOptional = !schema.required?.includes(member)
      const ref = `${PREFIX}${name}/properties/${member}`
      own(value, ref, placeOf(name), isOptional)
      if (value.items) own(value.items, `${ref}/items`, placeOf(name), isOptional)
    }
  }

  const shared = (schema: Schema, ref: string, place: number): Schema => {
    const owner = schema.$ref === undefined ? owners.get(typeOf(schema)) : undefined
    if (owner && owner.ref !== ref && owner.place <= place) {
      const { description } = schema
      const { isOptionalMember } = owner
      return {
        $ref: owner.ref,
        isOptionalMember,
        ...(description !== undefined && { description }),
      }
    }
    const inside = (one: Schema, path: string) => shared(one, `${ref}/${path}`, place)
    const { properties, items, anyOf, oneOf, allOf, additionalProperties: more } = schema
    return {
      ...schema,
      ...(properties && {
        properties: mapped(properties, (one, name) => inside(one, `properties/${name}`)),
      }),
      ...(items && { items: inside(items, 'items') }),
      ...(anyOf && { anyOf: anyOf.map((one, at) => inside(one, `anyOf/${at}`)) }),
      ...(oneOf && { oneOf: oneOf.map((one, at) => inside(one, `oneOf/${at}`)) }),
      ...(allOf && { allOf: allOf.map((one, at) => inside(one, `allOf/${at}`)) }),
      ...(typeof more === 'object' && { additionalProperties: inside(more, 'more') }),
    }
  }
  const anywhere = (schema: Schema) => shared(schema, '', Number.POSITIVE_INFINITY)

  const baseOf = new Map<string, string>()
  names.forEach((name, at) => {
    const base = names
      .slice(0, at)
      .filter((one) => isBase(schemas[one] ?? {}, schemas[name] ?? {}))
      .toSorted((a, b) => sizeOf(schemas[b]) - sizeOf(schemas[a]))[0]
    if (base !== undefined) baseOf.set(name, base)
  })
  return {
    paths: mapped(paths, (methods) => mapped(methods, (one) => sharedOperation(one, anywhere))),
    components: {
      schemas: mapped(schemas, (schema, name) => shared(schema, PREFIX + name, placeOf(name))),
    },
    baseOf,
  }
}

const mapped = <From, To>(
  values: Readonly<Record<string, From>>,
  work: (value: From, name: string) => To,
): Readonly<Record<string, To>> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, work(value, name)]))

const sizeOf = (schema: Schema = {}) => Object.keys(schema.properties ?? {}).length

/** Whether the other one has all its members, with the same types and words. */
function isBase(base: Schema, other: Schema): boolean {
  const isOpen = ({ additionalProperties: more }: Schema) => more !== undefined && more !== false
  if (!isPlain(base) || !isPlain(other) || isOpen(base) || isOpen(other)) return false
  const members = Object.entries(base.properties ?? {})
  return (
    members.length >= BASE_LEAST &&
    members.every(([name, schema]) => {
      const same = other.properties?.[name]
      return (
        same !== undefined &&
        typeOf(same) === typeOf(schema) &&
        same.description === schema.description &&
        same.readOnly === schema.readOnly &&
        base.required?.includes(name) === other.required?.includes(name)
      )
    })
  )
}

function sharedOperation(operation: Operation, share: (schema: Schema) => Schema): Operation {
  const { parameters, requestBody, responses } = operation
  const inContent = <Part extends Content>(part: Part): Part => ({
    ...part,
    ...(part.content && {
      content: mapped(part.content, ({ schema, ...rest }) => ({
        ...rest,
        ...(schema && { schema: share(schema) }),
      })),
    }),
  })
  return {
    ...operation,
    ...(parameters && {
      parameters: parameters.map((one) => ({ ...one, schema: share(one.schema) })),
    }),
    ...(requestBody && { requestBody: inContent(requestBody) }),
    responses: mapped(responses, inContent),
  }
}
