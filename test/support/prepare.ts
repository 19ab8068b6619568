/** `pretest`: sees to it that there is a `redis-server` for the tests to start, and that tap is built for `.taprc`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isOnPath, provideCommand, run } from './apt.ts'

function prepareRedis(): boolean {
  const provided = provideCommand('redis-server', (line) => console.log(line))
  if (!provided.ok) {
    console.error(provided.why)
    return false
  }
  // Debian starts it at once; the tests start servers of their own.
  if (provided.isNew && isOnPath('service') && !run('service', ['redis-server', 'stop'])) {
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
