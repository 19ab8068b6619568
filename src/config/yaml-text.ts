/** Reads YAML. It loads nothing of the service, because the command line uses it, too. */
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml'
import { ConfigError } from './config-error.ts'

export interface YamlText {
  readonly content: unknown
  readonly lineOf: (path: readonly string[]) => number
}

/** Throws {@link ConfigError} for invalid syntax. */
export function parseYaml(text: string): YamlText {
  const lines = new LineCounter()
  // A warning would show a part of the text.
  const document = parseDocument(text, { lineCounter: lines, logLevel: 'error' })
  const lineAt = (offset: number) => lines.linePos(offset).line
  const syntax = document.errors.map(
    ({ pos, code }) => `line ${lineAt(pos[0])}: is not valid YAML (${code})`,
  )
  if (syntax.length > 0) throw new ConfigError(syntax)
  return {
    content: contentOf(document, lineAt),
    lineOf: (path) => lineAt(offsetOf(document.contents, path)),
  }
}

/** A value that begins with `*` is a YAML alias. A missing anchor is only detected here. */
function contentOf(document: Document, lineAt: (offset: number) => number): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {}
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error
    let offset: number | undefined
    visit(document, {
      Alias(_, alias) {
        if (alias.resolve(document)) return undefined
        offset = alias.range?.[0]
        return visit.BREAK
      },
    })
    if (offset === undefined) throw new ConfigError(['has too many aliases'])
    throw new ConfigError([`line ${lineAt(offset)}: a value that begins with * must be quoted`])
  }
}

/** Offset of the key of a member, or of the nearest existing parent. */
function offsetOf(node: unknown, path: readonly string[]): number {
  const [head, ...rest] = path
  const here = (node as Node | null)?.range?.[0] ?? 0
  if (head === undefined) return here
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === head)
    if (!pair) return here
    return rest.length === 0 || !pair.value
      ? ((pair.key as Node).range?.[0] ?? here)
      : offsetOf(pair.value, rest)
  }
  const items = (node as { items?: readonly unknown[] } | null)?.items
  const item = items?.[Number(head)]
  return item === undefined ? here : offsetOf(item, rest)
}
