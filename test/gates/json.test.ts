import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const SRC = new URL('../../src/', import.meta.url)

/** A reader of JSON, also where it is passed on as a function. */
const READS = /\bJSON\s*\.\s*parse\b|\.json\(\)|\bconst \{[^}]*\bparse\b[^}]*\} = JSON\b/g

/** What is before a reader whose result has no type yet: a binding of type `unknown`, or the members of anything in a function that says that they are unknown. */
const UNKNOWN =
  /: unknown = (?:await \w+)?$|^export function jsonMembersOf\(.*Record<string, unknown>> \{\n {2}try \{\n {4}return Object\($/m

/** Without comments, and without templates, which quote commands. */
const codeOf = (text: string) =>
  text
    .replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    .replace(/`(?:[^`\\]|\\.)*`/g, (template) => template.replace(/[^\n]/g, ' '))

const uncheckedIn = (text: string): readonly string[] => {
  const code = codeOf(text)
  return [...code.matchAll(READS)]
    .filter(({ index }) => !UNKNOWN.test(code.slice(Math.max(0, index - 200), index)))
    .map(({ 0: found, index }) => code.slice(Math.max(0, index - 40), index) + found)
}

t.test('what JSON text holds is unknown until a schema or a test of types says it', async (t) => {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.[jt]s$/.test(file),
  )
  const unchecked = files.flatMap((file) =>
    uncheckedIn(readFileSync(new URL(file, SRC), 'utf8')).map((where) => `${file}: ${where}`),
  )
  t.same(unchecked, [])
})

t.test('what gives JSON text a type is found', async (t) => {
  for (const code of [
    'const value: Value = JSON.parse(text)',
    'const value = JSON.parse(text) as Value',
    'return texts.map(JSON.parse)',
    'return Object(JSON.parse(text))',
    'const value: unknown = other\nreturn JSON.parse(text)',
    'return JSON\n  .parse(text)',
    'const { parse } = JSON',
    'const value = (await response.json()) as Value',
  ]) {
    t.equal(uncheckedIn(code).length, 1, code)
  }
  for (const code of [
    'const value: unknown = JSON.parse(text)',
    'const answer: unknown = await response.json()',
    '/** `JSON.parse` quotes its input. */',
    'const command = `node -p "JSON.parse(text)"`',
  ]) {
    t.same(uncheckedIn(code), [], code)
  }
})
