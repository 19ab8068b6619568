/** What runs the programs of `examples/clients`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Provided } from '../support/apt.ts'
import { ROOT } from '../support/generated.ts'
import type { ToolchainName } from './client-row.ts'

export interface Toolchain {
  /** Fetches packages and builds programs, once for a machine. */
  readonly provide: (announce: (line: string) => void) => Provided | Promise<Provided>
  /** `program`: a path from the root of the project. */
  readonly command: (program: string) => readonly string[]
  /** `caFile`: PEM, the one CA of the test. */
  readonly env: (caFile: string) => Readonly<Record<string, string>>
  /** Of a package, as it is pinned. Undefined: it is not. */
  readonly version: (name: string) => string | undefined
}

const NODE: Toolchain = {
  provide: () => ({ ok: true, isNew: false }),
  command: (program) => [process.execPath, join(ROOT, program)],
  env: (caFile) => ({ NODE_EXTRA_CA_CERTS: caFile }),
  version: (name) =>
    (
      JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')) as {
        readonly version: string
      }
    ).version,
}

export const TOOLCHAINS: Partial<Record<ToolchainName, Toolchain>> = { node: NODE }
