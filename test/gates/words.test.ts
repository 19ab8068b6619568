/** Words of the former private vocabulary do not come back: the field has its own. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from '../support/project-root.ts'

const PLACES = [
  'src/**/*.{ts,js}',
  'tools/**/*.ts',
  'test/**/*.ts',
  'bench/**/*.{ts,md}',
  'docs/**/*.md',
  'helm/**/*.{md,yaml,tpl}',
  'simulator/**/*.{md,ts}',
  '*.md',
]

/** Former words, each with the word to use. A word counts in text, and as a part of a name in any case style. */
const PARTS: ReadonlyMap<string, string> = new Map([
  ['breath', 'yield to the event loop'],
  ['countdown', 'expiry notifier'],
  ['departure', 'reply batcher'],
  ['happening', 'audit entry'],
  ['happenings', 'audit entries'],
  ['hearing', 'change subscription'],
  ['keeper', 'refresh-token maintainer'],
  ['landed', 'mint result'],
  ['patience', 'retry on EAGAIN'],
  ['patient', 'diagnosis target'],
  ['patients', 'diagnosis targets'],
  ['practice', 'doctor service'],
  ['stamps', 'event ids'],
  ['storeless', 'degraded mode'],
  ['successors', 'rotated tokens'],
  ['verdicts', 'unknown-outcome resolver'],
])

/** Former phrases, in any case. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/(?<!in |single[- ]|the same )\bflight\b/i, 'mint coordinator'],
  [/hands[-_ ]?free/i, 'auto-rotation'],
  [/left[-_]?behind/i, 'credentials to erase'],
  [/a no for a not yet/i, 'treats refusals after a change as temporary'],
  [/flip a lie/i, 'what would be wrong'],
]

/** Public names, which do not change: a setting, its value in the chart, a value of a label, and two metrics. */
const PUBLIC =
  /VALETKEY_STORELESS_SECONDS|storelessSeconds|(['"`])storeless\1|valetkey_work_left_behind(?:_total)?/g

/** A word of a text, or a part of a name in camelCase, kebab-case or snake_case. */
const PART = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g

/** This file names the words, and the changelog tells of them. */
const EXCEPT = ['CHANGELOG.md', 'test/gates/words.test.ts']

const files = PLACES.flatMap((place) => globSync(place, { cwd: ROOT })).filter(
  (file) => !EXCEPT.includes(file),
)

/** The words to use instead of the former ones in this text. */
function insteadIn(text: string): readonly string[] {
  const shown = text.replace(PUBLIC, '')
  const parts = shown.match(PART) ?? []
  return [
    ...parts.flatMap((part) => PARTS.get(part.toLowerCase()) ?? []),
    ...PHRASES.flatMap(([phrase, instead]) => (phrase.test(shown) ? [instead] : [])),
  ]
}

t.test('no word of the former vocabulary is in a name, in code or in documents', async (t) => {
  t.ok(files.length > 600)
  const found = files.flatMap((file) =>
    [file, ...readFileSync(join(ROOT, file), 'utf8').split('\n')].flatMap((line, index) =>
      insteadIn(line).map((instead) => `${file}:${index}: say "${instead}": ${line.trim()}`),
    ),
  )
  t.same(found, [])
})

t.test('a former word is found as a part of a name in any case style', async (t) => {
  for (const text of [
    'const stampsOf = 1',
    'createFilePatients',
    'refresh-token-keeper',
    'STORELESS_MS',
    'handsFreeRotation',
    'workLeftBehind',
    'pipeline-departure.test.ts',
  ]) {
    t.equal(insteadIn(text).length, 1, text)
  }
  for (const text of ['timestamps', 'bookkeeper', 'VALETKEY_STORELESS_SECONDS', 'single-flight']) {
    t.same(insteadIn(text), [], text)
  }
})
