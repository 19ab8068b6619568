/** One name for one thing, no export that nobody imports, and no words of the former vocabulary. */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'

const ROOT = new URL('../../', import.meta.url).pathname
const SOURCES = '{src,tools,simulator,test,bench,compat,examples}/**/*.{ts,js}'

const sources = globSync(SOURCES, { cwd: ROOT, exclude: ['**/node_modules/**'] }).map((file) => ({
  file,
  text: readFileSync(join(ROOT, file), 'utf8'),
}))

const DECLARED = /^export (?:async )?(?:const|function\*?|class|interface|type) ([\w$]+)/gm
const IMPORTED = /(?:import|export) (?:type )?(?:\w+, )?\{([^}]*)\} from '(\.[^']+)'/g
const IMPORTED_WHOLE = /(?:import \* as \w+ from |import\(|new URL\()\s*'(\.[^']+)'/g

const declaredIn = (text: string) => [...text.matchAll(DECLARED)].map(([, name = '']) => name)

const targetOf = (file: string, source: string) => normalize(join(dirname(file), source))

/** `file name` of everything that is imported; `file *` where all of it may be. */
const imported = new Set(
  sources.flatMap(({ file, text }) => [
    ...[...text.matchAll(IMPORTED)].flatMap(([, names = '', source = '']) =>
      names
        .split(',')
        .map((name) => `${targetOf(file, source)} ${name.trim().replace(/^type | as .*$/g, '')}`),
    ),
    ...[...text.matchAll(IMPORTED_WHOLE)].map(([, source = '']) => `${targetOf(file, source)} *`),
  ]),
)

/** What the package publishes: the entry gives it on, and the generated types have the names of the API. */
const PUBLISHED = 'src/client/index.ts'
const GENERATED = 'src/client/api/'

for (const folder of ['src', 'tools', 'simulator']) {
  const own = sources.filter(
    ({ file }) =>
      file.startsWith(`${folder}/`) && file !== PUBLISHED && !file.startsWith(GENERATED),
  )

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
    const giving = own.filter(({ text }) => /^export (?:type )?[{*]/m.test(text))
    t.same(
      giving.map(({ file }) => file),
      [],
    )
  })

  t.test(`${folder} exports nothing that nobody imports`, async (t) => {
    const unused = own.flatMap(({ file, text }) =>
      imported.has(`${file} *`)
        ? []
        : declaredIn(text).flatMap((name) =>
            imported.has(`${file} ${name}`) ? [] : [`${name} of ${file}`],
          ),
    )
    t.same(unused, [])
  })
}
