import { readFileSync } from 'node:fs'
import t from 'tap'
import { renderConfigurationDocs } from '../../tools/configuration-docs.ts'

t.test('docs/configuration.md is what the table of settings gives', async (t) => {
  const committed = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
  t.equal(committed, renderConfigurationDocs(), 'else run `npm run generate` and commit it')
})
