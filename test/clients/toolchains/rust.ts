/** The program of `examples/clients/rust`, compiled with the Rust of the machine. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isOnPath, run } from '../../support/apt.ts'
import { cacheFor, provideFolder, ROOT, type Toolchain } from './toolchain.ts'

const CRATE = join(ROOT, 'examples/clients/rust')
const MANIFEST = join(CRATE, 'Cargo.toml')
const FOLDER = cacheFor(
  'rust-client',
  ['Cargo.toml', 'Cargo.lock', 'src/main.rs'].map((file) => join(CRATE, file)),
)
const PROGRAM = 'debug/rustforce_client'

export const RUST: Toolchain = {
  folder: FOLDER,
  provide: (announce) =>
    provideFolder(
      {
        folder: FOLDER,
        what: 'a client in Rust',
        byHand: `cargo build --manifest-path ${MANIFEST}`,
        canMake: isOnPath('cargo'),
        make: (folder) =>
          run('cargo', [
            ...['build', '--quiet', '--locked', '--manifest-path', MANIFEST],
            ...['--target-dir', folder],
          ]),
      },
      announce,
    ),
  command: () => [join(FOLDER, PROGRAM)],
  env: (caFile) => ({ SSL_CERT_FILE: caFile }),
  version: (name) =>
    new RegExp(`^${name} = "=(.+)"$`, 'm').exec(readFileSync(MANIFEST, 'utf8'))?.[1],
}
