/** The image of the Dockerfile, built without an engine, on a base that borrows this machine's own Node. */
import { execFile } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Mount } from './container.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const execute = promisify(execFile)

/** Layers, namespaces and another user are root's to make. */
export const canRunImages = (): boolean => process.platform === 'linux' && process.getuid?.() === 0

export interface ImageConfig {
  readonly User: string
  readonly Env: readonly string[]
  readonly Entrypoint: readonly string[]
  readonly Cmd: readonly string[]
  readonly WorkingDir: string
  readonly StopSignal: string
  readonly Labels: Readonly<Record<string, string>>
  readonly Volumes: Readonly<Record<string, object>>
  readonly ExposedPorts: Readonly<Record<string, object>>
  readonly Healthcheck: { readonly Test: readonly string[] }
}

export interface Image {
  readonly config: ImageConfig
  /** Its file system, as it is unpacked here. */
  readonly root: string
  /** That of the base alone. */
  readonly base: string
  /** What the base borrows: Node itself, which would be copied a dozen times over on the way. */
  readonly borrowed: readonly Mount[]
}

const NODE = '/nodejs/bin/node'
const NPM = '/usr/local/lib/node_modules/npm'

interface Teardown {
  teardown(end: () => unknown): void
}

/** Gone with the test. */
export async function buildImage(t: Teardown): Promise<Image> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-image-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const buildah = async (...args: readonly string[]) => {
    const storage = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run')]
    const all = [...storage, '--storage-driver', 'vfs', ...args]
    const { stdout } = await execute('buildah', all, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 })
    return stdout.trim()
  }
  const build = (...args: readonly string[]) =>
    buildah('bud', '--quiet', '--isolation', 'chroot', '--pull-never', ...args)

  const { npm, npmCache, npmrc } = await npmHere()
  const borrowed = [{ from: process.execPath, to: NODE, readOnly: true }]
  const volumes = [...borrowed, { from: npm, to: NPM, readOnly: true }]
  const base = join(folder, 'base')
  await makeRuntime(base)
  const builder = join(folder, 'builder')
  cpSync(base, builder, { recursive: true, verbatimSymlinks: true })
  await prepareForNpm(builder)
  const dockerfile = join(folder, 'base.dockerfile')
  await writeFile(dockerfile, 'FROM scratch\nCOPY . /\nENV PATH=/usr/local/bin:/usr/bin\n')
  await build('--file', dockerfile, '--tag', 'localhost/base', base)
  await build('--file', dockerfile, '--tag', 'localhost/builder', builder)
  await writeFile(join(folder, 'npmrc'), npmrc)
  await build(
    ...['--format', 'docker', '--secret', `id=npmrc,src=${join(folder, 'npmrc')}`],
    ...volumes.flatMap(({ from, to }) => ['--volume', `${from}:${to}:ro`]),
    ...['--volume', `${npmCache}:/root/.npm`],
    ...['--build-arg', 'BUILD_BASE=localhost/builder', '--build-arg', 'BASE=localhost/base'],
    ...['--tag', 'localhost/valetkey', '.'],
  )
  const described = await buildah('inspect', '--type', 'image', 'localhost/valetkey')
  const { Docker } = JSON.parse(described) as { Docker: { config: ImageConfig } }
  const container = await buildah('from', '--pull-never', 'localhost/valetkey')
  const root = await buildah('mount', container)
  return { config: Docker.config, root, base, borrowed }
}

/** As little as there is in a distroless base: Node and the libraries that it names, certificates, a user. */
async function makeRuntime(root: string): Promise<void> {
  for (const path of ['dev', 'etc/ssl/certs', 'nodejs/bin', 'proc', 'root', 'tmp', 'usr/bin']) {
    mkdirSync(join(root, path), { recursive: true })
  }
  chmodSync(join(root, 'tmp'), 0o1777)
  await writeFile(join(root, NODE), '', { mode: 0o755 })
  await addLibraries(root, process.execPath)
  copyFileSync(CERTIFICATES, join(root, CERTIFICATES))
  const user = 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n'
  await writeFile(join(root, 'etc/passwd'), `root:x:0:0:root:/root:/sbin/nologin\n${user}`)
}

/** Node and npm by the names that the images of Node give them. */
async function prepareForNpm(root: string): Promise<void> {
  mkdirSync(join(root, NPM), { recursive: true })
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true })
  symlinkSync(`${NPM}/bin/npm-cli.js`, join(root, 'usr/local/bin/npm'))
  symlinkSync(NODE, join(root, 'usr/local/bin/node'))
  copyFileSync('/usr/bin/env', join(root, 'usr/bin/env'))
  await addLibraries(root, '/usr/bin/env')
}

async function addLibraries(root: string, binary: string): Promise<void> {
  const { stdout } = await execute('ldd', [binary])
  for (const [, path = ''] of stdout.matchAll(/(\/\S+) \(0x/g)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    copyFileSync(path, join(root, path))
  }
}

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

/** This machine's npm, what it has downloaded before, and its registry; nothing that is secret. */
async function npmHere() {
  const { stdout: folder } = await execute('npm', ['root', '--global'])
  const setting = async (name: string) =>
    (await execute('npm', ['config', 'get', name])).stdout.trim()
  const npmrc = { registry: await setting('registry'), cafile: CERTIFICATES }
  return {
    npm: realpathSync(join(folder.trim(), 'npm')),
    npmCache: await setting('cache'),
    npmrc: Object.entries(npmrc)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  }
}
