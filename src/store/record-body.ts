/** Bodies of records: JSON that is checked against a schema when it is read. */
import { Ajv, type ValidateFunction } from 'ajv'
import { type Static, type TSchema, Type } from 'typebox'
import { anotherVersion, readRecord } from './integrity/record-schema.ts'

type Immutable<Value> = Value extends object
  ? { readonly [Key in keyof Value]: Immutable<Value[Key]> }
  : Value

export type BodyOf<Schema extends TSchema> = Immutable<Static<Schema>>

export const nullable = <Schema extends TSchema>(schema: Schema) =>
  Type.Union([schema, Type.Null()])

/** The names of a table of values that a newer release may extend. */
export const nameIn = <Table extends object>(table: Table) =>
  Type.Enum(Object.keys(table) as (keyof Table & string)[])

const ajv = new Ajv({ strict: false, allErrors: true })

/** A newer release knows more values of an enum, or a higher version. */
const NEWER: ReadonlySet<string> = new Set(['enum', 'maximum'])

/**
 * Reads bodies; `record` names the record in errors. Members that the schema does not name are
 * kept. Throws `record_corrupt`, or `another_version` where a value is beyond an `enum` or a `maximum`.
 */
export function bodyReader<Schema extends TSchema>(
  schema: Schema,
): (text: string, record: string) => BodyOf<Schema> {
  let fits: ValidateFunction<BodyOf<Schema>> | undefined
  return (text, record) =>
    readRecord(record, () => {
      const body: unknown = JSON.parse(text)
      // Compiled with the first record, so that the process starts fast.
      fits ??= ajv.compile<BodyOf<Schema>>(schema)
      if (fits(body)) return body
      if (fits.errors?.some(({ keyword }) => NEWER.has(keyword))) {
        throw anotherVersion(`the record ${record}`)
      }
      throw new TypeError(ajv.errorsText(fits.errors))
    })
}

/** Digests of what leases may be minted for, as an engine keeps them. */
export const readDigests = bodyReader(Type.Array(Type.String()))

/** What is sealed in the body of a document; undefined where nothing is, or the body is no JSON. */
export function sealedIn(body: string): string | undefined {
  const { sealed } = jsonMembersOf(body)
  return typeof sealed === 'string' ? sealed : undefined
}

/** None, where the text is no JSON. */
export function jsonMembersOf(body: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(body))
  } catch {
    return {}
  }
}
