/** Programs of another release of Debian, each with its own libraries, for Linux on x86-64. Nothing of them is installed. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isOnPath, type Provided, run } from './apt.ts'
import { CACHE } from './wheel-programs.ts'

interface DebianProgram {
  readonly name: string
  readonly release: string
  /** The package of the program, and those of its libraries. */
  readonly packages: readonly [string, ...string[]]
  readonly folder: string
  /** Runs it with its own libraries; arguments follow. */
  readonly command: readonly [string, ...string[]]
}

const LIBRARIES = 'usr/lib/x86_64-linux-gnu'

function programOfDebian(
  of: Pick<DebianProgram, 'name' | 'release' | 'packages'>,
  path: string,
): DebianProgram {
  const folder = join(CACHE, `${of.packages[0]}-${of.release}`)
  const loader = join(folder, LIBRARIES, 'ld-linux-x86-64.so.2')
  const libraries = ['--inhibit-cache', '--library-path', join(folder, LIBRARIES)]
  return { ...of, folder, command: [loader, ...libraries, join(folder, path)] }
}

export const HAPROXY_3 = programOfDebian(
  {
    name: 'HAProxy 3.0',
    release: 'trixie',
    packages: [
      ...(['haproxy', 'libc6', 'libssl3t64', 'libpcre2-8-0', 'liblua5.4-0'] as const),
      ...['libcrypt1', 'libjemalloc2', 'libopentracing-c-wrapper0t64', 'libopentracing1'],
      ...['libstdc++6', 'libgcc-s1', 'zlib1g', 'libzstd1'],
    ],
  },
  'usr/sbin/haproxy',
)

const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Fetched once for a machine, by apt with lists of its own. */
export async function provideDebianProgram(
  { name, release, packages, folder, command }: DebianProgram,
  announce: (line: string) => void,
): Promise<Provided> {
  if (existsSync(command[0])) return { ok: true, isNew: false }
  const mayFetch =
    process.platform === 'linux' &&
    process.arch === 'x64' &&
    process.env.VALETKEY_TEST_NO_INSTALL !== '1' &&
    ['apt-get', 'dpkg-deb'].every(isOnPath) &&
    existsSync(KEYS)
  if (!mayFetch) return { ok: false, why: `${name} is needed from Debian ${release}` }
  announce(`${name} is needed. Fetching it now, with its libraries, from Debian ${release}`)
  announce('(VALETKEY_TEST_NO_INSTALL=1 forbids it)')
  const parts = `${folder}.${process.pid}`
  const lists = join(parts, 'lists')
  mkdirSync(join(lists, 'partial'), { recursive: true })
  const sources = join(parts, 'sources.list')
  writeFileSync(sources, `deb [signed-by=${KEYS}] ${archive()} ${release} main\n`)
  const apt = [
    ...['-o', `Dir::Etc::SourceList=${sources}`, '-o', 'Dir::Etc::SourceParts=-'],
    ...['-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${parts}`],
    ...['-o', 'APT::Sandbox::User=root'],
  ]
  try {
    const unpacked = join(parts, 'unpacked')
    const isThere =
      run('apt-get', [...apt, 'update']) &&
      run('apt-get', [...apt, 'download', ...packages], parts) &&
      readdirSync(parts)
        .filter((file) => file.endsWith('.deb'))
        .every((file) => run('dpkg-deb', ['-x', join(parts, file), unpacked]))
    if (!isThere) return { ok: false, why: `${name} could not be fetched from Debian ${release}` }
    rmSync(folder, { recursive: true, force: true })
    renameSync(unpacked, folder)
    return { ok: true, isNew: true }
  } finally {
    rmSync(parts, { recursive: true, force: true })
  }
}

/** Where this machine has its own Debian from. */
function archive(): string {
  const { stdout } = spawnSync('apt-get', ['indextargets', '--format', '$(REPO_URI)'], {
    encoding: 'utf8',
  })
  const found = stdout.split('\n').find((line) => /\/debian\/?$/.test(line))
  return found ?? 'http://deb.debian.org/debian'
}
