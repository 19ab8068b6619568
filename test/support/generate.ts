/** `npm run generate`: writes the generated files. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { generatedFiles } from './generated.ts'
import { ROOT } from './project-root.ts'

for (const [path, text] of Object.entries(await generatedFiles())) {
  mkdirSync(dirname(`${ROOT}${path}`), { recursive: true })
  writeFileSync(`${ROOT}${path}`, text)
}
