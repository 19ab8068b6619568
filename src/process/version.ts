/** Which release and which commit this is. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { dirname, join } from 'node:path'

/** In the folder of the bundle: the commit that it was made of. */
export const COMMIT = 'commit'

/** Of the package that this file is in, be it the sources or a bundle. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(manifestPath(), 'utf8'))
  return String(Object(manifest).version)
}

/** As in `1.2.3 (0123abc)`. */
export function versionAndCommit(): string {
  return `${packageVersion()} (${commit() ?? 'unknown commit'})`
}

function commit(): string | undefined {
  const root = dirname(manifestPath())
  const path = join(root, 'dist', COMMIT)
  if (!existsSync(join(root, '.git'))) {
    return existsSync(path) ? readFileSync(path, 'utf8').trim() || undefined : undefined
  }
  try {
    const args = ['rev-parse', '--short=12', 'HEAD']
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    // There is no git here, or no commit yet: the version alone is true.
    return undefined
  }
}

function manifestPath(): string {
  const path = findPackageJSON(import.meta.url)
  if (path === undefined) throw new Error('there is no package.json')
  return path
}
