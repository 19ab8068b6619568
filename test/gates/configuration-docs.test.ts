import { readFileSync } from 'node:fs'
import t from 'tap'
import { ConfigurationFile, DeclaredIntegration } from '../../src/config/file-schema.ts'
import { renderConfigurationDocs } from '../../tools/configuration-docs.ts'
import { readDocument } from '../support/document.ts'

t.test('docs/configuration.md is what the table of settings gives', async (t) => {
  const committed = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
  t.equal(committed, renderConfigurationDocs(), 'else run `npm run generate` and commit it')
})

interface Schema {
  readonly properties?: object | undefined
  readonly required?: readonly string[] | undefined
}

/** Its members, and those of the objects that are named. */
function membersOf({ properties = {} }: Schema, ...within: readonly string[]): readonly string[] {
  const nested = Object.entries<Schema>({ ...properties }).filter(([name]) => within.includes(name))
  return [
    ...Object.keys(properties),
    ...nested.flatMap(([name, schema]) => membersOf(schema).map((member) => `${name}.${member}`)),
  ]
}

t.test('docs/configuration-file.md has a row for each member of the file', async (t) => {
  const { text } = readDocument('docs/configuration-file.md')
  const { issuers, callers } = ConfigurationFile.properties
  const { credential, certificate_deployment: _former, ...body } = DeclaredIntegration.properties
  const tables: readonly (readonly [heading: string, schema: Schema, ...within: string[]])[] = [
    ['| member | what |', ConfigurationFile],
    ['### Members of `issuers`', issuers.items],
    ['### Members of `callers`', callers.items, 'match'],
    [
      '### Members of `integrations`',
      { ...DeclaredIntegration, properties: { credential, ...body } },
    ],
    ['| member of `credential` | what |', credential, 'generate'],
  ]
  for (const [heading, schema, ...within] of tables) {
    const [, section = ''] = text.split(`${heading}\n`)
    const [table = ''] = section.slice(section.indexOf('|')).split('\n\n')
    const cells = table.split('\n').map((row) => row.split('|')[1] ?? '')
    const named = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, one]) => one))
    t.same(named.toSorted(), membersOf(schema, ...within).toSorted(), heading)
    const needed = cells
      .filter((cell) => cell.trim().endsWith('*'))
      .map((cell) => cell.split('`')[1])
    t.same(needed.toSorted(), [...(schema.required ?? [])].toSorted(), `${heading}: necessary ones`)
  }
})
