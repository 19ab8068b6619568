import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { KEPT_KINDS, LEFT_KINDS } from '../../src/store/document-kinds.ts'
import { ROOT } from '../support/generated.ts'

/** As every file that keeps documents names its kind. */
const NAMED = /\bdocumentKind\(\{\s*kind: '([a-z0-9_-]+)'/g

t.test('of each kind of document it is said whether a backup holds it', async (t) => {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  const kinds = files
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [...readFileSync(join(ROOT, 'src', file), 'utf8').matchAll(NAMED)])
    .map(([, kind = '']) => kind)
  t.ok(kinds.length > 8)
  const said = [...Object.keys(KEPT_KINDS), ...Object.keys(LEFT_KINDS)]
  t.same(new Set(said), new Set(kinds))
  t.equal(new Set(said).size, said.length, 'once')
})
