/** The options of a route that the document describes. */
import type { FastifySchema } from 'fastify'

type Tag = 'callers' | 'credentials' | 'front-doors' | 'integrations' | 'service' | 'tokens'

/** Adds the id and the tag to the schema of a route. */
export const operation = <Schema extends FastifySchema>(
  operationId: string,
  tag: Tag,
  schema: Schema,
) => ({ schema: { tags: [tag], operationId, ...schema } })
