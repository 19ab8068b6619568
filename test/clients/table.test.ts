import { globSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readDocument } from '../support/document.ts'
import { ROOT } from '../support/project-root.ts'
import { CAUSES, type Cause, type ClientRow, PROGRAM_CAUSES } from './client-row.ts'
import { LOGIN_URL, SCOPE } from './setting-values.ts'
import { CLIENT_ROWS } from './table.ts'

const programs = (folder: string) =>
  globSync('**/*.{mjs,py,go,java,rs,sh}', { cwd: join(ROOT, folder) }).sort()

t.test('each example of a client is tried, and listed', async (t) => {
  const examples = programs('examples/clients')
  t.same([...new Set(CLIENT_ROWS.map(({ example }) => example))].sort(), examples)
  const { text } = readDocument('examples/clients/README.md')
  for (const example of examples) t.match(text, `](${example})`)
})

t.test('each other program is used, and each cause that needs one has one', async (t) => {
  const used = CLIENT_ROWS.flatMap((row) => Object.values(row.programs ?? {}))
  t.same([...new Set(used)].sort(), programs('test/clients/other-programs'))
  for (const { name, prints, programs } of CLIENT_ROWS) {
    for (const cause of PROGRAM_CAUSES) {
      t.equal(prints[cause] === undefined, programs?.[cause] === undefined, `${name}: ${cause}`)
    }
  }
})

t.test(
  'each cause is printed by a real client at each kind of door that can have it',
  async (t) => {
    const doors = {
      '/oauth/token': ({ settings }: ClientRow) => settings.some(([, value]) => value === SCOPE),
      SOAP: ({ grant }: ClientRow) => grant === 'SOAP login',
      'the login URL': ({ settings, grant }: ClientRow) =>
        grant !== 'SOAP login' && settings.some(([, value]) => value.includes(LOGIN_URL)),
    }
    /** A URL of OAuth has no version, and SOAP has no grant; a client of SOAP sends no JSON. */
    const without: Readonly<Record<keyof typeof doors, readonly Cause[]>> = {
      '/oauth/token': ['secret_in_url', 'version', 'operation'],
      SOAP: ['secret_in_url', 'other_grant', 'body'],
      'the login URL': ['secret_in_url', 'version', 'body'],
    }
    for (const [door, isAt] of Object.entries(doors)) {
      const rows = CLIENT_ROWS.filter(isAt)
      for (const cause of Object.keys(CAUSES) as Cause[]) {
        if (without[door as keyof typeof doors].includes(cause)) continue
        t.ok(
          rows.some(({ prints, tried }) => tried === 'ci' && prints[cause] !== undefined),
          `${door}: ${cause}`,
        )
      }
    }
    t.ok(CLIENT_ROWS.some(({ prints }) => prints.secret_in_url !== undefined))
  },
)

t.test('each client has one version, and each of its grants is another one', async (t) => {
  for (const [name, rows] of Map.groupBy(CLIENT_ROWS, (row) => row.name)) {
    t.equal(new Set(rows.map(({ version }) => version)).size, 1, name)
    t.equal(new Set(rows.map(({ grant }) => grant)).size, rows.length, name)
  }
})
