/** The image of the Dockerfile, built without an engine, on a base that borrows this machine's own Node. */
import { execFile } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  realpathSync,
  symlinkSync,
} from 'node:fs'
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
const SEARCHED = '/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin'
/** That of the base that the Dockerfile names. */
const DEBIAN = 'bookworm'

interface Teardown {
  teardown(end: () => unknown): void
}

interface ImageOptions {
  /** Whether it has the package that signs by PKCS#11 modules. It is compiled in a Debian of its own, which `debootstrap` downloads. Default: false. */
  readonly hasPkcs11?: boolean
}

/** Gone with the test. */
export async function buildImage(
  t: Teardown,
  { hasPkcs11 = false }: ImageOptions = {},
): Promise<Image> {
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
  if (hasPkcs11) await makeDebian(builder)
  else {
    cpSync(base, builder, { recursive: true, verbatimSymlinks: true })
    copyFileSync('/usr/bin/env', join(builder, 'usr/bin/env'))
    await addLibraries(builder, '/usr/bin/env')
  }
  await prepareForNpm(builder)
  const dockerfile = join(folder, 'base.dockerfile')
  await writeFile(dockerfile, `FROM scratch\nCOPY . /\nENV PATH=${SEARCHED}\n`)
  await build('--file', dockerfile, '--tag', 'localhost/base', base)
  await build('--file', dockerfile, '--tag', 'localhost/builder', builder)
  await writeFile(join(folder, 'npmrc'), npmrc)
  await build(
    ...['--format', 'docker', '--secret', `id=npmrc,src=${join(folder, 'npmrc')}`],
    ...volumes.flatMap(({ from, to }) => ['--volume', `${from}:${to}:ro`]),
    ...['--volume', `${npmCache}:/root/.npm`],
    ...['--build-arg', 'BUILD_BASE=localhost/builder', '--build-arg', 'BASE=localhost/base'],
    ...(hasPkcs11 ? ['--build-arg', 'PKCS11=with'] : []),
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
}

/** A Debian as the images of Node have it: with apt, as this machine has set it, and with the headers of Node. */
async function makeDebian(root: string): Promise<void> {
  await execute('debootstrap', ['--variant=minbase', DEBIAN, root], { maxBuffer: 64 * 1024 * 1024 })
  cpSync('/etc/apt/apt.conf.d', join(root, 'etc/apt/apt.conf.d'), { recursive: true })
  const headers = [join(dirname(process.execPath), '../include/node'), '/usr/include/node']
  const found = headers.find(existsSync)
  if (found === undefined) throw new Error(`The headers of Node are in none of ${headers}`)
  cpSync(found, join(root, 'usr/local/include/node'), { recursive: true })
  mkdirSync(join(root, 'nodejs/bin'), { recursive: true })
  await writeFile(join(root, NODE), '', { mode: 0o755 })
  mkdirSync(dirname(join(root, CERTIFICATES)), { recursive: true })
  copyFileSync(CERTIFICATES, join(root, CERTIFICATES))
}

/** Copies what a program or a library of this machine loads, to the same places. */
export async function addLibraries(root: string, binary: string): Promise<void> {
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
