/** The bundle as the image and the package have it, in a folder without sources: what users run. */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const ROOT = join(import.meta.dirname, '../..')
const execute = promisify(execFile)

let laid: Promise<string> | undefined

/** The folder that has it. It is built once a process, and removed when the process ends. */
export function bundleRoot(): Promise<string> {
  laid ??= lay()
  return laid
}

async function lay(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'valetkey-bundle-'))
  process.once('exit', () => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, 'src'))
  for (const path of ['package.json', 'src/valetkey.js']) cpSync(join(ROOT, path), join(root, path))
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  for (const tool of ['bundle', 'compile-bundle']) {
    // Not in the project's own folder, where another process may build.
    const args = [join(ROOT, `tools/${tool}.ts`), join(root, 'dist')]
    await execute(process.execPath, args, { cwd: ROOT })
  }
  return root
}
