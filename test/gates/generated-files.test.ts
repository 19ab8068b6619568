import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { generatedFiles } from '../support/generated.ts'
import { ROOT } from '../support/project-root.ts'

t.test('generated files are current: npm run generate', async (t) => {
  for (const [path, text] of Object.entries(await generatedFiles())) {
    t.equal(readFileSync(`${ROOT}${path}`, 'utf8'), text, path)
  }
})

t.test("openapi.yaml has no error of Redocly's linter", async (t) => {
  const redocly = `${ROOT}node_modules/.bin/redocly`
  const output = execFileSync(redocly, ['lint', 'openapi.yaml', '--format=json'], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, REDOCLY_TELEMETRY: 'off' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.match(JSON.parse(output.slice(output.indexOf('{'))), { totals: { errors: 0 } })
})
