/** A Markdown document of the project, as a test reads it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './project-root.ts'

export interface Document {
  readonly text: string
  /** The code blocks of one language, in order; of one section (by its heading) where that is given. */
  blocks(language: string, heading?: string): readonly string[]
}

/** `path` from the root. */
export function readDocument(path: string): Document {
  const text = readFileSync(join(ROOT, path), 'utf8')
  return {
    text,
    blocks(language, heading) {
      const part = heading === undefined ? text : sectionOf(text, heading)
      const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms')
      return [...part.matchAll(fence)].map(([, block = '']) => block)
    },
  }
}

/** With the sections below it. */
function sectionOf(text: string, heading: string): string {
  const level = /^#+/.exec(heading)?.[0].length ?? 1
  const from = text.indexOf(`\n${heading}\n`)
  if (from === -1) throw new Error(`there is no heading ${heading}`)
  const rest = text.slice(from + heading.length + 2)
  const end = rest.search(new RegExp(`^#{1,${level}} `, 'm'))
  return end === -1 ? rest : rest.slice(0, end)
}
