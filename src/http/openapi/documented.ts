/** What the document says of a schema beside what the validator checks. The code checks it by itself where it has better words for a mistake than a validator has. */

type Node = Readonly<Record<string, unknown>>

const CONSTRAINTS = 'x-documented'
const WITHOUT = 'x-documented-without'
const REQUIRED = 'x-documented-required'

/** More keywords of a schema, for the document alone. `without`: those of the schema that are not for it. */
export const documented = (constraints: Node, without: readonly string[] = []) => ({
  [CONSTRAINTS]: constraints,
  [WITHOUT]: without,
})

/** Of an object that the document describes by forms instead. */
export const OBJECT_KEYWORDS = ['type', 'title', 'required', 'properties', 'additionalProperties']

/** A parameter that the code asks for with a problem of its own. */
export const documentedAsRequired = { [REQUIRED]: true }

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Pure. The document with all that is documented in its place. */
export function withDocumented<Doc extends object>(document: Doc): Doc {
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit)
    if (!isNode(value)) return value
    const { [CONSTRAINTS]: constraints, [WITHOUT]: without, [REQUIRED]: _, ...rest } = value
    const own = Object.entries(rest).filter(
      ([member]) => !(Array.isArray(without) && without.includes(member)),
    )
    const all = { ...Object.fromEntries(own), ...(isNode(constraints) ? constraints : {}) }
    const visited = Object.fromEntries(
      Object.entries(all).map(([member, inner]) => [member, visit(inner)]),
    )
    return isRequiredParameter(value) ? { ...visited, required: true } : visited
  }
  return visit(document) as Doc
}

const isRequiredParameter = ({ in: place, schema }: Node) =>
  typeof place === 'string' && isNode(schema) && schema[REQUIRED] === true
