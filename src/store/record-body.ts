/** Bodies of records: JSON that is checked against a schema at each read. */
import { Ajv, type ValidateFunction } from 'ajv'
import { type Static, type TSchema, Type } from 'typebox'
import { anotherVersion, readRecord } from './integrity/record-schema.ts'

type Immutable<Value> = Value extends object
  ? { readonly [Key in keyof Value]: Immutable<Value[Key]> }
  : Value

export type BodyOf<Schema extends TSchema> = Immutable<Static<Schema>>

export const nullable = <Schema extends TSchema>(schema: Schema) =>
  Type.Union([schema, Type.Null()])

/** The names in a table. A newer release may add more. */
export const nameIn = <Table extends object>(table: Table) =>
  Type.Enum(Object.keys(table) as (keyof Table & string)[])

/** The schemas are constants. */
const ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false })

/** Keywords that a newer release may extend: more values of an enum, or a higher version. */
const NEWER: ReadonlySet<string> = new Set(['enum', 'maximum'])

/** Creates a reader of bodies. `record` names the record in errors. Unknown members are kept. Throws `record_corrupt`, or `another_version` if a value exceeds an `enum` or a `maximum`. */
export function bodyReader<Schema extends TSchema>(
  schema: Schema,
): (text: string, record: string) => BodyOf<Schema> {
  let fits: ValidateFunction<BodyOf<Schema>> | undefined
  return (text, record) =>
    readRecord(record, () => {
      const body: unknown = JSON.parse(text)
      // Compiled at the first record, so that the process starts fast.
      fits ??= ajv.compile<BodyOf<Schema>>(schema)
      if (fits(body)) return body
      if (fits.errors?.some(({ keyword }) => NEWER.has(keyword))) {
        throw anotherVersion(`the record ${record}`)
      }
      throw new TypeError(ajv.errorsText(fits.errors))
    })
}

/** Digests for which leases may be minted, as the engines store them. */
export const readDigests = bodyReader(Type.Array(Type.String()))

/** The sealed part of a document's body. Undefined: there is none, or the body is not JSON. */
export function sealedIn(body: string): string | undefined {
  const { sealed } = jsonMembersOf(body)
  return typeof sealed === 'string' ? sealed : undefined
}

/** Empty if the text is not JSON. */
export function jsonMembersOf(body: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(body))
  } catch {
    return {}
  }
}
