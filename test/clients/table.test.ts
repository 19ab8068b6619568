import { globSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readDocument } from '../support/document.ts'
import { ROOT } from '../support/generated.ts'
import { CLIENT_ROWS } from './table.ts'

const programs = (folder: string) =>
  globSync('**/*.{mjs,py,go,java,rs,sh}', { cwd: join(ROOT, folder) }).sort()

t.test('each example of a client is tried, and listed', async (t) => {
  const examples = programs('examples/clients')
  t.same([...new Set(CLIENT_ROWS.map(({ example }) => example))].sort(), examples)
  const { text } = readDocument('examples/clients/README.md')
  for (const example of examples) t.match(text, `](${example})`)
})

t.test('each program with another grant is used', async (t) => {
  const used = CLIENT_ROWS.flatMap(({ otherGrant }) => otherGrant ?? [])
  t.same([...new Set(used)].sort(), programs('test/clients/other-grants'))
  for (const { name, prints, otherGrant } of CLIENT_ROWS) {
    t.equal(prints.other_grant === undefined, otherGrant === undefined, name)
  }
})

t.test('each client has one version, and each of its grants is another one', async (t) => {
  for (const [name, rows] of Map.groupBy(CLIENT_ROWS, (row) => row.name)) {
    t.equal(new Set(rows.map(({ version }) => version)).size, 1, name)
    t.equal(new Set(rows.map(({ grant }) => grant)).size, rows.length, name)
  }
})
