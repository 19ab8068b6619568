/** The `openssl` command, in a folder of its own: the second opinion on keys and certificates. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Openssl {
  /** Runs it in the folder; gives what it prints on both streams. Throws where it fails. */
  run(...args: readonly string[]): string
  write(name: string, text: string): void
  read(name: string): string
  /** Of a file in the folder. */
  path(name: string): string
}

/** The folder is removed when the test ends. */
export function openssl(test: { teardown(fn: () => void): void }): Openssl {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-openssl-'))
  test.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return {
    run: (...args) =>
      execFileSync('sh', ['-c', 'openssl "$@" 2>&1', 'sh', ...args], {
        cwd: folder,
        encoding: 'utf8',
      }),
    write: (name, text) => writeFileSync(join(folder, name), text),
    read: (name) => readFileSync(join(folder, name), 'utf8'),
    path: (name) => join(folder, name),
  }
}
