/** `pretest`: sees to it that there is what the tests start and read, and that tap is built for `.taprc`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { clientParts } from '../clients/prepare-clients.ts'
import { isOnPath, type Provided, provideCommand, run } from './apt.ts'
import { HAPROXY_3, provideDebianProgram } from './debian-programs.ts'
import { CADDY, ENVOY, TRAEFIK } from './gateway-programs.ts'
import { provideHelm } from './helm.ts'
import { canRunImages } from './image.ts'
import { provideKubernetesSchemas } from './kubernetes-schemas.ts'
import { provideMoto } from './moto.ts'
import { OPENBAO } from './openbao.ts'
import { VALKEY_9 } from './redis-programs.ts'
import { provideSchemathesis } from './schemathesis.ts'
import { provideSoftHsm } from './softhsm.ts'
import { provideWheelProgram } from './wheel-programs.ts'

const announce = (line: string) => console.log(line)

function prepareRedis(): boolean {
  const provided = provideServer('redis-server')
  if (!provided.ok) console.error(provided.why)
  return provided.ok
}

/** What does not need each other, so that it is brought at the same time. */
const PARTS: Readonly<Record<string, () => Promise<readonly Provided[]>>> = {
  debian: async () => [
    provideServer('haproxy'),
    provideServer('nginx'),
    provideCommand('caddy', announce),
    provideCommand('apache2', announce, 'apache2-bin'),
    provideCommand('zsh', announce),
    provideServer('prometheus'),
    ...(canRunImages() ? [provideCommand('buildah', announce)] : []),
  ],
  gateways: async () => [
    await provideWheelProgram(CADDY, announce),
    await provideWheelProgram(TRAEFIK, announce),
    await provideWheelProgram(ENVOY, announce),
    await provideDebianProgram(HAPROXY_3, announce),
  ],
  ...clientParts(announce),
  valkey: async () => [await provideWheelProgram(VALKEY_9, announce)],
  openbao: async () => [await provideWheelProgram(OPENBAO, announce)],
  moto: async () => [provideMoto(announce)],
  softhsm: async () => [provideSoftHsm(announce)],
  schemas: async () => [provideKubernetesSchemas(announce)],
  fuzzer: async () => [provideSchemathesis(announce)],
  helm: async () => [await provideHelm(announce)],
}

/** Where something of it is missing, the tests that need it are skipped, and say so; in CI they fail. */
async function preparePart(name: string): Promise<void> {
  for (const provided of (await PARTS[name]?.()) ?? []) if (!provided.ok) console.log(provided.why)
}

/** Each in a process of its own: they wait for the programs that they start. */
async function prepareOthers(): Promise<void> {
  await Promise.all(
    Object.keys(PARTS).map(async (name) => {
      const args = [import.meta.filename, name]
      const [status] = await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'close')
      if (status !== 0) process.exitCode = 1
    }),
  )
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

const [, , part] = process.argv
if (part !== undefined) await preparePart(part)
else if (!prepareTap() || !prepareRedis()) process.exitCode = 1
else await prepareOthers()
