/** The programs of `examples/clients/go`, compiled with the Go of the machine. */
import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isOnPath, run } from '../../support/apt.ts'
import { cacheFor, provideFolder, ROOT, type Toolchain } from './toolchain.ts'

const MODULE = join(ROOT, 'examples/clients/go')
const OTHERS = globSync('test/clients/other-programs/*.go', { cwd: ROOT }).sort()
const FOLDER = cacheFor('go-clients', [
  ...['go.mod', 'go.sum', ...globSync('*/*.go', { cwd: MODULE }).sort()].map((file) =>
    join(MODULE, file),
  ),
  ...OTHERS.map((file) => join(ROOT, file)),
])

/** `go build` names a program after its folder, or after its only file. */
const programOf = (path: string) =>
  basename(path) === 'main.go' ? basename(dirname(path)) : basename(path, '.go')

export const GO: Toolchain = {
  folder: FOLDER,
  provide: (announce) =>
    provideFolder(
      {
        folder: FOLDER,
        what: 'clients in Go',
        byHand: `cd ${MODULE} && go build ./...`,
        canMake: isOnPath('go'),
        make(folder) {
          const build = (path: string) =>
            run('go', ['-C', MODULE, 'build', '-o', `${folder}/`, path])
          return build('./...') && OTHERS.every((file) => build(join(ROOT, file)))
        },
      },
      announce,
    ),
  command: (program) => [join(FOLDER, programOf(program))],
  env: (caFile) => ({ SSL_CERT_FILE: caFile }),
  version: (name) =>
    new RegExp(`^\\s+${name} v(\\S+)$`, 'm').exec(
      readFileSync(join(MODULE, 'go.mod'), 'utf8'),
    )?.[1],
}
