/** Checks requests against the schemas of their routes. Each schema is compiled with its first request, because a start would spend half of its time on all of them. */
import { Ajv, type Options as AjvOptions, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify'
import type { FastifyValidationResult } from 'fastify/types/schema.js'
import { once } from '../../runtime/once.ts'

const OPTIONS: AjvOptions = {
  allErrors: false,
  removeAdditional: false,
  useDefaults: true,
  discriminator: true,
  strict: false,
  // Includes the schema of each fault, which describes what is allowed.
  verbose: true,
  // The schemas are constants, and a test checks them.
  validateSchema: false,
}

/** Bodies are not coerced. Path, query and headers are text, so numbers in them are parsed. */
export function createValidators(): FastifySchemaCompiler<unknown> {
  const exact = once(() => addFormats.default(new Ajv({ ...OPTIONS, coerceTypes: false })))
  const coercing = once(() => addFormats.default(new Ajv({ ...OPTIONS, coerceTypes: true })))
  return ({ schema, httpPart }) => {
    const ajv = httpPart === 'body' ? exact : coercing
    return compiledLater(() => ajv().compile(schema as object))
  }
}

/** Fastify reads the errors from the function itself. */
function compiledLater(compile: () => ValidateFunction) {
  const compiled = once(compile)
  const validate: FastifyValidationResult = (value: unknown) => {
    const validateNow = compiled()
    const fits = validateNow(value)
    validate.errors =
      (validateNow.errors as FastifySchemaValidationError[] | null | undefined) ?? null
    return fits
  }
  return validate
}
