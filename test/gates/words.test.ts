/** Words of the former private vocabulary do not come back: the field has its own. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from '../support/generated.ts'

const PLACES = [
  'src/**/*.{ts,js}',
  'tools/**/*.ts',
  'docs/**/*.md',
  'helm/**/*.{md,yaml,tpl}',
  '*.md',
  'bench/README.md',
  'simulator/**/*.{md,ts}',
]

/** What is said instead. Identifiers count, in whatever case. */
const INSTEAD: readonly (readonly [RegExp, string])[] = [
  [/\bhearing\b/i, 'change subscription'],
  [/(?<!in |single[- ]|the same )\bflight\b/i, 'mint coordinator'],
  [/\blanded\b/i, 'mint result'],
  [/hands-?free/i, 'auto-rotation'],
  [/\bverdicts\b/i, 'unknown-outcome resolver'],
  [/\bsuccessors\b/i, 'rotated tokens'],
  [/countdown/i, 'expiry notifier'],
  [/a no for a not yet/, 'treats refusals after a change as temporary'],
  [/flip a lie/, 'what would be wrong'],
]

/** Public names, which do not change. */
const PUBLIC =
  /VALETKEY_STORELESS_SECONDS|storeless(?:Ms|Seconds)|(['"`])storeless\1|valetkey_work_left_behind|workLeftBehind/gi

const files = PLACES.flatMap((place) => globSync(place, { cwd: ROOT })).filter(
  (file) => file !== 'CHANGELOG.md',
)

t.test('no word of the former vocabulary is in code or documents', async (t) => {
  t.ok(files.length > 300)
  const found = files.flatMap((file) =>
    readFileSync(join(ROOT, file), 'utf8')
      .replace(PUBLIC, '')
      .split('\n')
      .flatMap((line, index) =>
        INSTEAD.flatMap(([word, instead]) =>
          word.test(line) ? [`${file}:${index + 1}: say "${instead}": ${line.trim()}`] : [],
        ),
      ),
  )
  t.same(found, [])
})
