import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const SRC = new URL('../../src/', import.meta.url)

/** Checks what it parses against a schema. */
const READER = 'store/record-body.ts'

t.test('what JSON text holds is unknown until a schema or a test of types says it', async (t) => {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  const unchecked = files
    .filter((file) => file !== READER)
    .flatMap((file) =>
      readFileSync(new URL(file, SRC), 'utf8')
        .split('\n')
        .filter((line) => /\bJSON\.parse\(/.test(line.replace(/`[^`]*`/g, '')))
        .filter((line) => !line.includes(': unknown = JSON.parse('))
        .map((line) => `${file}: ${line.trim()}`),
    )
  t.same(unchecked, [])
})
