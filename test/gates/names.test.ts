/** One name for one thing and no words of the former vocabulary. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const ROOT = new URL('../../', import.meta.url).pathname
const SOURCES = '{src,tools,simulator}/**/*.{ts,js}'

const sources = globSync(SOURCES, { cwd: ROOT, exclude: ['**/node_modules/**'] }).map((file) => ({
  file,
  text: readFileSync(join(ROOT, file), 'utf8'),
}))

const DECLARED = /^export (?:async )?(?:const|function\*?|class|interface|type) ([\w$]+)/gm
const declaredIn = (text: string) => [...text.matchAll(DECLARED)].map(([, name = '']) => name)

for (const folder of ['src', 'tools', 'simulator']) {
  const own = sources.filter(({ file }) => file.startsWith(`${folder}/`))

  t.test(`${folder} exports each name once`, async (t) => {
    const files = new Map<string, Set<string>>()
    for (const { file, text } of own) {
      for (const name of declaredIn(text)) {
        files.set(name, (files.get(name) ?? new Set()).add(file))
      }
    }
    // A schema and the type of what it describes stand in one file, under one name.
    const doubles = [...files].filter(([, { size }]) => size > 1)
    t.same(doubles, [])
  })

  t.test(`${folder} gives on nothing that another file exports`, async (t) => {
    const giving = own.filter(({ text }) => /^export .* from '/m.test(text))
    t.same(
      giving.map(({ file }) => file),
      [],
    )
  })
}
