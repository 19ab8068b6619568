/** Which files `npm test` runs, and in which order. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { parse } from 'yaml'

interface TapSettings {
  readonly include: readonly string[]
  readonly 'node-arg': readonly string[]
}

/** They take longest: what starts late must not be what all the others have ended before. */
const LONGEST = [
  'test/journeys/fuzzing.test.ts',
  'test/gates/secrets.test.ts',
  'test/journeys/keyring-rotation.test.ts',
  'test/journeys/keyring-outside.test.ts',
  // It waits more than it works.
  'test/store/redis-sentinel.test.ts',
]

export interface TestFiles {
  /** Paths from the root of the project, the longest first. */
  readonly files: readonly string[]
  /** Of node, for each of them. */
  readonly nodeArgs: readonly string[]
}

/**
 * Those that `.taprc` includes, or the given ones.
 *
 * @throws Error where a file that is given, or that is among the longest, does not exist.
 */
export function testFiles(root: string, given: readonly string[]): TestFiles {
  const settings = parse(readFileSync(join(root, '.taprc'), 'utf8')) as TapSettings
  const missing = [...LONGEST.map((file) => join(root, file)), ...given].find(
    (file) => !existsSync(file),
  )
  if (missing !== undefined) throw new Error(`There is no test file ${missing}`)
  const found =
    given.length > 0
      ? given.map((file) => relative(root, resolve(file)))
      : globSync([...settings.include], { cwd: root }).sort()
  const isLongest = new Set(LONGEST.filter((file) => found.includes(file)))
  return {
    files: [...isLongest, ...found.filter((file) => !isLongest.has(file))],
    nodeArgs: settings['node-arg'],
  }
}
