/** Schemathesis, a fuzzer that reads OpenAPI documents, in an environment of Python of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { isOnPath, type Provided, run } from './apt.ts'
import { endWithThisProcess } from './children.ts'

const VERSION = '4.32.5'
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'valetkey-test')
const HOME = join(CACHE, `schemathesis-${VERSION}`)
const COMMAND = join(HOME, 'bin/schemathesis')
/** All phases but the one that walks through each value of each schema, which takes two minutes; and half of the requests. */
const SHORT = ['--phases', 'examples,fuzzing,stateful', '--max-examples', '15']
const CONFIGURATION = new URL('./schemathesis.toml', import.meta.url).pathname

/** Installed once for a machine. */
export function provideSchemathesis(announce: (line: string) => void): Provided {
  if (existsSync(COMMAND)) return { ok: true, isNew: false }
  const byHand = `python3 -m venv ${HOME} && ${HOME}/bin/pip install schemathesis==${VERSION}`
  if (!isOnPath('python3') || process.env.VALETKEY_TEST_NO_INSTALL === '1') {
    return { ok: false, why: `The tests need schemathesis. Install it: ${byHand}` }
  }
  announce('The tests need schemathesis. Installing it now with')
  announce(`  ${byHand}`)
  announce('(VALETKEY_TEST_NO_INSTALL=1 forbids it)')
  mkdirSync(CACHE, { recursive: true })
  const isInstalled =
    run('python3', ['-m', 'venv', HOME]) &&
    run(join(HOME, 'bin/pip'), ['install', '--quiet', `schemathesis==${VERSION}`])
  if (isInstalled && existsSync(COMMAND)) return { ok: true, isNew: true }
  rmSync(HOME, { recursive: true, force: true })
  return { ok: false, why: `Schemathesis could not be installed; try it by hand: ${byHand}` }
}

export interface Fuzzed {
  readonly status: number | null
  readonly output: string
}

/** Runs it against a broker, as `schemathesis.toml` says. Ends with the test. */
export async function fuzz(url: string, adminKey: string, cwd: string): Promise<Fuzzed> {
  const short = process.env.VALETKEY_TEST_LONG === '1' ? [] : SHORT
  const args = ['--config-file', CONFIGURATION, 'run', `${url}/openapi.json`, ...short]
  const child: ChildProcess = endWithThisProcess(
    spawn(COMMAND, args, {
      cwd,
      env: { PATH: process.env.PATH, HOME: cwd, ADMIN_KEY: adminKey, COLUMNS: '160' },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk
    })
  }
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, output }
}
