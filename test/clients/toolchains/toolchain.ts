/** What runs the programs of `examples/clients` of one language. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Provided } from '../../support/apt.ts'
import { CACHE } from '../../support/wheel-programs.ts'

/** Of the project. Importing it from the generated files would load the whole product. */
export const ROOT = new URL('../../../', import.meta.url).pathname

export interface Toolchain {
  /** What `provide` makes. Undefined: nothing. */
  readonly folder?: string
  /** Fetches packages and builds programs, once for a machine. */
  readonly provide: (announce: (line: string) => void) => Provided | Promise<Provided>
  /** `program`: a path from the root of the project. */
  readonly command: (program: string) => readonly string[]
  /** `caFile`: PEM, the one CA of the test. */
  readonly env: (caFile: string) => Readonly<Record<string, string>>
  /** Of a package, as it is pinned. Undefined: it is not. */
  readonly version: (name: string) => string | undefined
}

/** A folder for what is made of these files. Other content of them gets another folder. */
export function cacheFor(name: string, files: readonly string[]): string {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(file))
  return join(CACHE, `${name}-${hash.digest('hex').slice(0, 12)}`)
}

interface Made {
  readonly folder: string
  /** For a person. */
  readonly what: string
  readonly byHand: string
  /** Whether the machine has what `make` needs. */
  readonly canMake: boolean
  /** Fills a new folder. False: it failed, and said why. */
  readonly make: (folder: string) => boolean
}

/** Makes the folder unless it is there. */
export function provideFolder(
  { folder, what, byHand, canMake, make }: Made,
  announce: (line: string) => void,
): Provided {
  if (existsSync(folder)) return { ok: true, isNew: false }
  if (!canMake || process.env.VALETKEY_TEST_NO_INSTALL === '1') {
    return { ok: false, why: `The tests need ${what}: ${byHand}` }
  }
  announce(`The tests need ${what}. Installing them now with`)
  announce(`  ${byHand}`)
  announce('(VALETKEY_TEST_NO_INSTALL=1 forbids it)')
  const parts = `${folder}.${process.pid}`
  mkdirSync(dirname(folder), { recursive: true })
  try {
    if (!make(parts)) return { ok: false, why: `${what} could not be installed; try: ${byHand}` }
    // Another process may have been faster.
    if (!existsSync(folder)) renameSync(parts, folder)
    return { ok: true, isNew: true }
  } finally {
    rmSync(parts, { recursive: true, force: true })
  }
}
