/** `helm/README.md`, from the comments of `helm/values.yaml`: one that begins with `--` describes a value. */
import { readFileSync } from 'node:fs'
import { isMap, isScalar, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml'

const VALUES = new URL('../../helm/values.yaml', import.meta.url)

const HEAD = `# Valetkey's chart

<!-- Generated from helm/values.yaml by \`npm run generate\`; a test compares it. -->

[docs/deploying.md](../docs/deploying.md) goes from an empty cluster to a served token.
[\`ci/\`](ci) has values for the usual installations: on one volume, on Redis, with Sentinel, with
Cluster, behind an ingress, for callers of the cluster. The chart needs Kubernetes 1.30 or later.

| value | default | meaning |
|---|---|---|
`

export interface ValueRow {
  /** With dots between. */
  readonly path: string
  readonly fallback: unknown
  readonly meaning: string
}

/** Throws for a value that has no description. */
export function valueRows(): readonly ValueRow[] {
  const { contents, errors } = parseDocument(readFileSync(VALUES, 'utf8'))
  if (errors[0]) throw errors[0]
  if (!isMap(contents)) throw new TypeError('values.yaml is not a map')
  return rowsOf(contents, [])
}

function rowsOf(map: YAMLMap, above: readonly string[]): readonly ValueRow[] {
  return map.items.flatMap((pair, index) => {
    const path = [...above, String(isScalar(pair.key) ? pair.key.value : pair.key)]
    const meaning = meaningOf(pair, index === 0 ? map : undefined)
    if (meaning !== undefined) {
      const { value } = pair
      const fallback = (value as Node | null)?.toJSON() ?? ''
      return [{ path: path.join('.'), fallback, meaning }]
    }
    if (!isMap(pair.value)) throw new Error(`values.yaml: ${path.join('.')} has no description`)
    return rowsOf(pair.value, path)
  })
}

/** The parser gives the comment before the first key of a map to the map. */
function meaningOf(pair: Pair, map: YAMLMap | undefined): string | undefined {
  const before = (isScalar(pair.key) && pair.key.commentBefore) || map?.commentBefore || ''
  const last = before.split('\n').at(-1)?.trim() ?? ''
  return last.startsWith('-- ') ? last.slice(3) : undefined
}

export function renderChartDocs(): string {
  const rows = valueRows().map(({ path, fallback, meaning }) => {
    const shown = fallback === '' ? '' : `\`${JSON.stringify(fallback)}\``
    return `| \`${path}\` | ${shown} | ${meaning.replaceAll('|', '\\|')} |\n`
  })
  return `${HEAD}${rows.join('')}`
}
