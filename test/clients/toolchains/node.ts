/** The packages are among the development dependencies of the project. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, type Toolchain } from './toolchain.ts'

export const NODE: Toolchain = {
  provide: () => ({ ok: true, isNew: false }),
  command: (program) => [process.execPath, join(ROOT, program)],
  env: (caFile) => ({ NODE_EXTRA_CA_CERTS: caFile }),
  version(name) {
    const text = readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')
    return (JSON.parse(text) as { readonly version: string }).version
  },
}
