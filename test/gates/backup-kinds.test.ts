import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { KEPT_KINDS, LEFT_KINDS } from '../../src/store/document-kinds.ts'
import { ROOT } from '../support/project-root.ts'

/** As every file that keeps documents names its kind. */
const NAMED = /\bdocumentKind\(\{\s*kind: '([a-z0-9_-]+)'/g
const MADE = /\bdocumentKind\(/g
const DECLARATION = 'store/documents.ts'
/** A kind that a call of the store's documents, or a part that calls them, has as a literal. */
const LITERAL =
  /\bdocuments\.\w+\(\s*'|\b(?:const \w*KIND|createRememberedDocuments\(\{[^}]*kind:|createDocumentIds\(\{[^}]*kind:) ?=? ?'/g

const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: readFileSync(join(ROOT, 'src', file), 'utf8') }))

t.test('each kind of document has its name as a literal, in the place of its schema', async (t) => {
  for (const { file, text } of sources.filter(({ file }) => file !== DECLARATION)) {
    const made = text.match(MADE) ?? []
    t.equal((text.match(NAMED) ?? []).length, made.length, file)
    t.same(text.match(LITERAL) ?? [], [], file)
  }
})

t.test('of each kind of document it is said whether a backup holds it', async (t) => {
  const kinds = sources.flatMap(({ text }) =>
    [...text.matchAll(NAMED)].map(([, kind = '']) => kind),
  )
  t.ok(kinds.length > 8)
  const said = [...Object.keys(KEPT_KINDS), ...Object.keys(LEFT_KINDS)]
  t.same(new Set(said), new Set(kinds))
  t.equal(new Set(said).size, said.length, 'once')
})
