/** A response with several media types, from which `Accept` selects. */
import { type Static, type TSchema, Type } from 'typebox'

/** JSON of this schema, or text of these types. */
export function jsonOr<Schema extends TSchema>(schema: Schema, ...textTypes: readonly string[]) {
  const { description } = schema as { readonly description?: string }
  const text = { schema: { type: 'string' } }
  return Type.Unsafe<Static<Schema>>({
    ...(description !== undefined && { description }),
    content: {
      'application/json': { schema },
      ...Object.fromEntries(textTypes.map((type) => [type, text])),
    },
  })
}

/** A page for people. */
export const htmlPage = (description: string) =>
  Type.Unsafe<string>({ description, content: { 'text/html': { schema: { type: 'string' } } } })

/** The body of an operation that needs none: `{}` or nothing. */
export const NoMembers = Type.Unsafe<object | null>({
  type: ['object', 'null'],
  description: 'Optional; has no members',
  properties: {},
  additionalProperties: false,
})
