/** Commands that the tests start and Debian has: installed where that may be done, and announced before. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export type Provided =
  | { readonly ok: true; readonly isNew: boolean }
  /** One line that says what to do. */
  | { readonly ok: false; readonly why: string }

/** Two processes may install at once: the second waits for the first. The lock of apt's lists knows no waiting. */
const LOCK = join(tmpdir(), 'valetkey-test-apt.lock')
const apt = (...args: readonly string[]): boolean => run('flock', [LOCK, 'apt-get', ...args])
/** Whether this process has the list of today. */
let isUpdated = false

/** Sees to it that the command is on the PATH. `debian`: the package of Debian that has it. Default: of its name. */
export function provideCommand(
  command: string,
  announce: (line: string) => void,
  debian = command,
): Provided {
  if (isOnPath(command)) return { ok: true, isNew: false }
  const install = ['install', '--yes', '--no-install-recommends', debian]
  const byHand = `apt-get update && apt-get ${install.join(' ')}`
  const mayInstall =
    process.getuid?.() === 0 &&
    ['apt-get', 'flock'].every(isOnPath) &&
    process.env.VALETKEY_TEST_NO_INSTALL !== '1'
  if (!mayInstall) {
    const why = `The tests need ${command} on the PATH. Install it, as root: ${byHand}`
    return { ok: false, why }
  }
  announce(`The tests need ${command}, which is not on the PATH. Installing it now with`)
  announce(`  ${byHand}`)
  announce('(VALETKEY_TEST_NO_INSTALL=1 forbids it)')
  isUpdated ||= apt('update')
  // Another process may have installed it meanwhile.
  if (isUpdated && (isOnPath(command) || apt(...install)) && isOnPath(command)) {
    return { ok: true, isNew: true }
  }
  return { ok: false, why: `${command} could not be installed; try it by hand: ${byHand}` }
}

/** For `skip` of a test. In CI nothing is skipped: what is missing there fails. */
export function unlessProvided(provided: Provided): string | false {
  return provided.ok || process.env.CI === 'true' ? false : provided.why
}

export function isOnPath(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** What it says goes to stderr: stdout may be a report of tests. */
export function run(command: string, args: readonly string[], cwd?: string): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return spawnSync(command, args, { stdio: ['ignore', 2, 2], env, cwd }).status === 0
}
