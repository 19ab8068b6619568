/** `pretest`: sees to it that there is a `redis-server` for the tests to start, and that tap is built for `.taprc`. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const INSTALL = 'apt-get update && apt-get install --yes --no-install-recommends redis-server'

function isOnPath(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function run(command: string, args: readonly string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return spawnSync(command, args, { stdio: 'inherit', env }).status === 0
}

function prepareRedis(): boolean {
  if (isOnPath('redis-server')) return true
  const mayInstall =
    process.getuid?.() === 0 && isOnPath('apt-get') && process.env.VALETKEY_TEST_NO_INSTALL !== '1'
  if (!mayInstall) {
    console.error(`The tests need redis-server on the PATH. Install it, as root: ${INSTALL}`)
    return false
  }
  console.log('The tests need redis-server, which is not on the PATH. Installing it now with')
  console.log(`  ${INSTALL}`)
  console.log('(VALETKEY_TEST_NO_INSTALL=1 forbids it)')
  const installed =
    run('apt-get', ['update']) &&
    run('apt-get', ['install', '--yes', '--no-install-recommends', 'redis-server']) &&
    isOnPath('redis-server')
  if (!installed) {
    console.error(`redis-server could not be installed; try it by hand: ${INSTALL}`)
    return false
  }
  // Debian starts it at once; the tests start servers of their own.
  if (isOnPath('service') && !run('service', ['redis-server', 'stop'])) {
    console.log('The service redis-server could not be stopped; the tests do not mind.')
  }
  return true
}

/** A fresh install of tap loads its TypeScript plugin, which does not load with TypeScript 7, until it is built as `.taprc` says. */
function prepareTap(): boolean {
  const built = join(
    import.meta.dirname,
    '../../node_modules/@tapjs/test/test-built/dist/esm/index.js',
  )
  if (!readFileSync(built, 'utf8').includes('"@tapjs/typescript"')) return true
  return run('tap', ['build'])
}

if (!prepareTap() || !prepareRedis()) process.exitCode = 1
