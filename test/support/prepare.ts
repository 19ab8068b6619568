/** `pretest`: sees to it that there is what the tests start and read, and that tap is built for `.taprc`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isOnPath, type Provided, provideCommand, run } from './apt.ts'
import { provideHelm } from './helm.ts'
import { canRunImages } from './image.ts'
import { provideKubernetesSchemas } from './kubernetes-schemas.ts'
import { VALKEY_9 } from './redis-programs.ts'
import { provideSchemathesis } from './schemathesis.ts'
import { provideWheelProgram } from './wheel-programs.ts'

const announce = (line: string) => console.log(line)

function prepareRedis(): boolean {
  const provided = provideServer('redis-server')
  if (!provided.ok) console.error(provided.why)
  return provided.ok
}

/** Where one of these is missing, the tests that need it are skipped, and say so; in CI they fail. */
async function prepareOthers(): Promise<void> {
  const others = [
    await provideWheelProgram(VALKEY_9, announce),
    provideServer('haproxy'),
    provideCommand('zsh', announce),
    provideServer('prometheus'),
    provideHelm(announce),
    provideKubernetesSchemas(announce),
    provideSchemathesis(announce),
    ...(canRunImages() ? [provideCommand('buildah', announce)] : []),
  ]
  for (const provided of others) if (!provided.ok) console.log(provided.why)
}

/** Debian starts it at once; the tests start servers of their own. */
function provideServer(name: string): Provided {
  const provided = provideCommand(name, announce)
  if (provided.ok && provided.isNew && isOnPath('service') && !run('service', [name, 'stop'])) {
    console.log(`The service ${name} could not be stopped; the tests do not mind.`)
  }
  return provided
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
else await prepareOthers()
