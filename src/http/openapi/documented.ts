/** Schema keywords that only the document has. The code checks these rules itself, with better messages than a validator gives. */

type Node = Readonly<Record<string, unknown>>

const CONSTRAINTS = 'x-documented'
const WITHOUT = 'x-documented-without'
const REQUIRED = 'x-documented-required'

/** Adds keywords for the document only and removes those in `without` from it. */
export const documented = (constraints: Node, without: readonly string[] = []) => ({
  [CONSTRAINTS]: constraints,
  [WITHOUT]: without,
})

/** Keywords of an object that the document describes by alternatives. */
export const OBJECT_KEYWORDS = ['type', 'title', 'required', 'properties', 'additionalProperties']

/** A parameter whose absence the code answers with its own problem. */
export const documentedAsRequired = { [REQUIRED]: true }

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Pure. Moves the documented keywords to their place. */
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
