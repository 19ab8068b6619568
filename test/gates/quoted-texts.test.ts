/** What documents quote as a log line, a detail or a remedy is a text of the code. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CHECKS } from '../../src/doctor/check.ts'
import { ROOT } from '../support/project-root.ts'

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** Matches whatever a template literal puts in for its expressions. */
const ANYTHING = '\0'

const COMMENT = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm
const STRING = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g

/** The strings of a source; `ANYTHING` stands for the expressions of a template literal. */
const textsOf = (source: string): readonly string[] =>
  [...source.replace(COMMENT, '').matchAll(STRING)].map(([, single, double, template]) =>
    (single ?? double ?? template?.replace(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, ANYTHING) ?? '').replace(
      /\\(.)/g,
      '$1',
    ),
  )

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')

/** Whether a text has the quotation, as whole words. A template literal must match as a whole. */
function createFinder(texts: readonly string[]): (quoted: string) => boolean {
  const plain = texts.filter((text) => !text.includes(ANYTHING))
  const templates = texts
    .filter((text) => text.includes(ANYTHING) && /[a-z]+ [a-z]+ [a-z]+/.test(text))
    .map((text) => new RegExp(`^${text.split(ANYTHING).map(escaped).join('.+')}$`))
  return (quoted) => {
    const words = new RegExp(`(?<!\\w)${escaped(quoted)}(?!\\w| \\w)`)
    return (
      plain.some((text) => words.test(text)) || templates.some((template) => template.test(quoted))
    )
  }
}

/** The programs whose commands documents quote. Their commands look like phrases. */
const COMMANDS = /^(?:valetkey|npm|npx|node|sf|helm|kubectl|docker|jq|openssl|git|redis-cli) /

/**
 * A phrase in backticks is quoted from a log: three words or more, which begin with a lower-case
 * letter. Names, values, code and the texts of Salesforce look otherwise.
 */
const PHRASE = /^[a-z]+(?:,? [a-z][a-z'’-]*){2,}(?::.*)?$/

function logLinesIn(document: string): readonly string[] {
  const prose = document.replace(/^```[\s\S]*?^```/gm, '')
  return [...prose.matchAll(/`([^`\n]+(?:\n[^`\n]+)?)`/g)]
    .map(([, quoted = '']) => quoted.replace(/\s+/g, ' '))
    .filter((quoted) => PHRASE.test(quoted) && !COMMANDS.test(quoted))
}

/** The members of problems and checks in the examples, and the parts of a log line there. */
const exampleTextsIn = (document: string): readonly string[] => [
  ...[...document.matchAll(/"(?:detail|remedy)": ?"((?:[^"\\…]|\\.)*)"/g)].map(
    ([, text = '']) => text,
  ),
  ...[...document.matchAll(/"msg": ?"((?:[^"\\…]|\\.)*)"/g)].flatMap(([, text = '']) =>
    text.split(/: | \(/).filter((part) => PHRASE.test(part)),
  ),
]

/** The simulator has the texts of Salesforce. */
const isThere = createFinder(
  ['src/**/*.ts', 'simulator/**/*.ts']
    .flatMap((place) => globSync(place, { cwd: ROOT }))
    .flatMap((file) => textsOf(read(file))),
)
const documents = ['docs/**/*.md', 'helm/**/*.{md,yaml}', '*.md']
  .flatMap((place) => globSync(place, { cwd: ROOT }))
  .filter((file) => file !== 'CHANGELOG.md')

for (const [what, quotedIn, least] of [
  ['log line', logLinesIn, 10],
  ['detail and remedy of an example', exampleTextsIn, 2],
] as const) {
  t.test(`each ${what} that a document quotes is in the code`, async (t) => {
    const quoted = documents.flatMap((file) => quotedIn(read(file)).map((text) => ({ file, text })))
    t.ok(quoted.length >= least, `${quoted.length} are quoted`)
    t.same(
      quoted.filter(({ text }) => !isThere(text)),
      [],
    )
  })
}

t.test('the table of the doctor has each check, in order', async (t) => {
  const table = /^\| check \|.*\n\|.*\n((?:\|.*\n)+)/m.exec(read('docs/troubleshooting.md'))?.[1]
  t.same(table?.match(/(?<=^\| `)\w+/gm), Object.keys(CHECKS))
})

t.test('a quotation that the code does not have is found', async (t) => {
  const finds = createFinder(
    textsOf(`log.warn({}, 'the store is slow'); say(\`Set \${changes}, if that is right.\`)`),
  )
  t.ok(finds('the store is slow'))
  t.notOk(finds('the store is quick'))
  t.notOk(finds('the store is'))
  t.ok(finds('Set grant.audience to https://login.salesforce.com, if that is right.'))
  t.notOk(finds('Set grant.audience to https://login.salesforce.com, if that is wrong.'))
  t.same(logLinesIn('see `the store is slow` or `grant.audience`,\n`valetkey backup the file`'), [
    'the store is slow',
  ])
  t.same(exampleTextsIn('{ "detail": "Not so.", "check": "mint" }'), ['Not so.'])
})
